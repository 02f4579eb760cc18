"""Which media there are: one dynamic partition per mediaId, video and audio apart.

Apart, because an audio media must not show as missing on every video asset.
"""

import dagster as dg

PARTITIONS = {
    "video": dg.DynamicPartitionsDefinition(name="video_media"),
    "audio": dg.DynamicPartitionsDefinition(name="audio_media"),
}


def register(instance: dg.DagsterInstance, media_type: str, media_ids: list[str]) -> list[str]:
    """Make these media known to an instance; the answer names those that were new to it."""
    name = PARTITIONS[media_type].name
    assert name is not None
    new = [media_id for media_id in media_ids if not instance.has_dynamic_partition(name, media_id)]
    if new:
        instance.add_dynamic_partitions(name, new)
    return new


def remove(instance: dg.DagsterInstance, media_id: str) -> bool:
    """Make a media unknown to an instance, of whichever type it was known. Whether it was."""
    known = [
        str(definition.name)
        for definition in PARTITIONS.values()
        if instance.has_dynamic_partition(str(definition.name), media_id)
    ]
    for name in known:
        instance.delete_dynamic_partition(name, media_id)
    return bool(known)
