"""Sound of a variant that is not the mezzanine's: silent, one channel wrong, another level, other times, damage."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from fault_encodes import LAVFI, encode_picture, encode_sound, faulty_sound, take_segments
from mutant import SOUNDS, Harm, Mutant, Seam, Workpiece, mutant, register

from codex_assets.media.encode import ladder

OTHER = "aevalsrc='0.2*sin(2*PI*300*t)*gt(sin(2*PI*1.7*t),0)+0.02*random(0)|0.2*sin(2*PI*520*t)*gt(sin(2*PI*1.1*t),0)'"

GRAPHS: tuple[tuple[str, Harm, str, str], ...] = (
    # Silence.
    ("sound_silent", "grave", "there is nothing but silence", "volume=0"),
    ("sound_silent_for_three_seconds", "grave", "three seconds are silent", "volume=0:enable='between(t,2,5)'"),
    ("second_half_silent", "grave", "the second half is silent", "volume=0:enable='gt(t,{half})'"),
    ("first_second_silent", "medium", "the first second is silent", "volume=0:enable='lt(t,1)'"),
    ("sound_faded_out", "medium", "the last three seconds fade out", "afade=out:st={end3}:d=3"),
    ("sound_dropouts", "medium", "a tenth of a second is silent in each second",
     "volume=0:enable='between(mod(t,1),0.4,0.5)'"),
    ("sound_stutters", "medium", "each tenth of a second in a while is played twice",
     "asplit[a][b];[a]volume=0:enable='between(mod(t,2),1,1.1)'[x];[b]adelay=100:all=1,"
     "volume=0:enable='not(between(mod(t,2),1,1.1))'[y];[x][y]amix=inputs=2:duration=first:normalize=0"),
    ("half_a_second_silent", "medium", "half a second is silent", "volume=0:enable='between(t,3,3.5)'"),
    ("second_again", "grave", "a second is heard again in place of another",
     "asplit[a][b];[b]atrim=1.13:2.13,asetpts=PTS-STARTPTS,adelay=3000:all=1[x];[a]volume=0:enable='between(t,3,4)'[y];"
     "[y][x]amix=inputs=2:duration=first:normalize=0"),
    ("sound_with_a_beep", "medium", "there is a beep of half a second",
     "aeval='val(0)+0.1*sin(2*PI*1000*t)*between(t,3,3.5)|val(1)+0.1*sin(2*PI*1000*t)*between(t,3,3.5)':c=same"),
    # Channels.
    ("right_channel_silent_for_a_second", "medium", "the right channel is silent for a second",
     "channelsplit[l][r];[r]volume=0:enable='between(t,3,4)'[q];[l][q]join=inputs=2:channel_layout=stereo"),
    ("right_channel_dull", "medium", "the right channel has nothing above 3 kHz",
     "channelsplit[l][r];[r]lowpass=f=3000,lowpass=f=3000,lowpass=f=3000[q];[l][q]join=inputs=2:channel_layout=stereo"),
    ("sound_wanders", "medium", "the sound wanders from side to side",
     "aeval='val(0)*(1+0.9*sin(2*PI*0.3*t))|val(1)*(1-0.9*sin(2*PI*0.3*t))':c=same,volume=-2dB"),
    ("channels_mixed", "light", "a third of each channel is in the other",
     "pan=stereo|c0=0.7*c0+0.3*c1|c1=0.7*c1+0.3*c0"),
    ("left_channel_dead", "grave", "the left channel is silent", "pan=stereo|c0=0*c0|c1=c1"),
    ("right_channel_dead_midway", "grave", "the right channel is silent from the middle on",
     "channelsplit[l][r];[r]volume=0:enable='gt(t,{half})'[q];[l][q]join=inputs=2:channel_layout=stereo"),
    ("channels_exchanged", "grave", "left and right are exchanged", "pan=stereo|c0=c1|c1=c0"),
    ("channel_inverted", "grave", "the right channel is inverted", "pan=stereo|c0=c0|c1=-1*c1"),
    ("channel_late", "medium", "the right channel comes 20 ms late", "adelay=0|20,atrim=end={seconds}"),
    ("channels_merged", "medium", "both channels are the sum of both", "pan=stereo|c0=0.5*c0+0.5*c1|c1=0.5*c0+0.5*c1"),
    ("left_channel_twice", "medium", "both channels are the left one", "pan=stereo|c0=c0|c1=c0"),
    ("channels_out_of_balance", "medium", "the right channel is 6 dB softer", "pan=stereo|c0=c0|c1=0.5*c1"),
    ("only_the_difference", "grave", "what both channels share is gone",
     "pan=stereo|c0=0.7*c0-0.7*c1|c1=0.7*c1-0.7*c0"),
    ("stereo_widened", "light", "the difference of the channels is doubled", "stereotools=slev=2"),
    # Level.
    ("sound_louder", "medium", "the sound is 3 dB louder", "volume=3dB"),
    ("sound_softer", "medium", "the sound is 3 dB softer", "volume=-3dB"),
    ("level_drifts", "medium", "the level rises by 8 dB from beginning to end",
     "volume='pow(10,(t/{seconds}-0.5)*8/20)':eval=frame"),
    ("level_steps", "medium", "the level drops by 6 dB in the middle",
     "volume=-6dB:enable='between(t,{half},{half}+3)'"),
    ("sound_clipped", "medium", "peaks are cut off",
     "volume=12dB,alimiter=limit=0.9:level=0:attack=0.1:release=1,volume=-9dB"),
    ("sound_compressed", "medium", "soft and loud parts are equally loud",
     "acompressor=threshold=0.01:ratio=20:attack=5:release=50:makeup=2,volume=-4dB"),
    ("sound_gated", "medium", "everything soft is silent",
     "agate=threshold=0.15:ratio=100:range=0.0001:attack=1:release=20"),
    ("sound_pumping", "medium", "the level swings ten times a second", "tremolo=f=10:d=0.8"),
    ("softer_for_a_second", "medium", "a second is 6 dB softer", "volume=-6dB:enable='between(t,3,4)'"),
    ("louder_for_a_second", "medium", "a second is 6 dB louder", "volume=6dB:enable='between(t,3,4)'"),
    # Spectrum.
    ("band_missing", "medium", "there is nothing around 1.5 kHz",
     "bandreject=f=1500:width_type=h:w=1500,bandreject=f=1500:width_type=h:w=1500"),
    ("sound_with_a_whistle", "medium", "a whistle of 12 kHz lies over it",
     "aeval='val(0)+0.02*sin(2*PI*12000*t)|val(1)+0.02*sin(2*PI*12000*t)':c=same"),
    ("sound_dull", "medium", "there is nothing above 3 kHz", "lowpass=f=3000,lowpass=f=3000,lowpass=f=3000"),
    ("sound_thin", "medium", "there is nothing below 500 Hz", "highpass=f=500,highpass=f=500"),
    ("sound_of_a_telephone", "medium", "the sound went through 8 kHz", "highpass=f=300,aresample=8000,aresample=48000"),
    ("sound_aliased", "medium", "every sixth sample is kept and held",
     "asetnsamples=6,aresample=48000,acrusher=samples=12:mode=log:bits=16:mix=1"),
    ("sound_of_few_bits", "medium", "samples have five bits", "aeval='round(val(0)*16)/16|round(val(1)*16)/16':c=same"),
    ("treble_raised", "light", "the treble is 9 dB too loud", "treble=g=9:f=5000,volume=-1dB"),
    ("bass_raised", "light", "the bass is 9 dB too loud", "bass=g=9:f=150,volume=-3dB"),
    ("sound_with_hum", "medium", "a hum of 50 Hz lies under it",
     "aeval='val(0)+0.06*sin(2*PI*50*t)|val(1)+0.06*sin(2*PI*50*t)':c=same"),
    ("sound_with_noise", "medium", "noise lies under it",
     "aeval='val(0)+0.05*(random(0)-0.5)|val(1)+0.05*(random(1)-0.5)':c=same"),
    ("sound_with_clicks", "medium", "there are loud clicks",
     "aeval='if(lt(mod(t,0.7),0.0005),0.8,val(0))|if(lt(mod(t,0.7),0.0005),-0.8,val(1))':c=same"),
    ("sound_clicks_at_joints", "medium", "there is a soft click in each six seconds",
     "aeval='val(0)+0.1*between(mod(t+1,6),0,0.0003)|val(1)+0.1*between(mod(t+1,6),0,0.0003)':c=same"),
    ("sound_crackles", "medium", "there are bursts of noise of a twentieth of a second",
     "aeval='val(0)+0.05*(random(0)-0.5)*between(mod(t,3),1,1.05)|val(1)+0.05*(random(1)-0.5)*between(mod(t,3),1,1.05)'"
     ":c=same"),
    ("sound_with_a_tone", "medium", "a high tone lies over it",
     "aeval='val(0)+0.03*sin(2*PI*3000*t)|val(1)+0.03*sin(2*PI*3000*t)':c=same"),
    ("sound_with_offset", "light", "the wave lies beside zero", "dcshift=0.08"),
    ("echo", "medium", "there is an echo", "aecho=0.8:0.8:180:0.5"),
    ("sound_in_a_metal_tube", "medium", "the sound is mixed with itself a little later", "aecho=0.8:0.9:6:0.8"),
    ("sound_modulated", "medium", "all frequencies are moved by 60 Hz", "afreqshift=shift=60"),
    ("wrong_pitch", "grave", "the pitch is a semitone higher, the tempo is right",
     "asetrate=50854,aresample=48000,atempo=0.9439"),
    # Time.
    ("sound_late_by_40_ms", "medium", "the sound comes 40 ms late", "adelay=40:all=1,atrim=end={seconds}"),
    ("sound_drifts_a_little", "medium", "the sound runs three thousandths too slow",
     "atempo=0.997,atrim=end={seconds}"),
    ("sound_late", "medium", "the sound comes 100 ms late", "adelay=100:all=1,atrim=end={seconds}"),
    ("sound_early", "medium", "the sound comes 100 ms early", "atrim=start=0.1,asetpts=PTS-STARTPTS,apad=pad_dur=0.1"),
    ("sound_three_seconds_late", "grave", "the sound comes three seconds late",
     "adelay=3000:all=1,atrim=end={seconds}"),
    ("sound_drifts", "medium", "the sound runs one percent too slow", "atempo=0.99,atrim=end={seconds}"),
    ("sound_fast", "grave", "the sound runs a tenth too fast", "atempo=1.1,apad=whole_dur={seconds}"),
    ("sound_skips", "grave", "half a second is left out in the middle",
     "aselect='not(between(t,{half},{half}+0.5))',asetpts=N/SR/TB,apad=pad_dur=0.5"),
    ("sound_reversed", "grave", "the sound runs backward", "areverse"),
    ("halves_exchanged", "grave", "halves of the programme are exchanged",
     "asplit[a][b];[a]atrim=start={half},asetpts=PTS-STARTPTS[x];[b]atrim=end={half}[y];[x][y]concat=n=2:v=0:a=1"),
    ("sound_wobbles", "medium", "the pitch wobbles", "vibrato=f=5:d=0.3"),
    ("sound_flutters", "medium", "the pitch flutters", "vibrato=f=20:d=0.1"),
    ("sound_with_a_hole", "medium", "a twentieth of a second is silent",
     "aeval='val(0)*(1-between(t,3,3.05))|val(1)*(1-between(t,3,3.05))':c=same"),
    ("channels_exchanged_for_a_while", "medium", "left and right are exchanged for half a second",
     "aeval='if(between(t,3.3,3.8),val(1),val(0))|if(between(t,3.3,3.8),val(0),val(1))':c=same"),
)  # fmt: skip


def _filtered(graph: str, piece: Workpiece) -> None:
    values = {"seconds": f"{piece.seconds:.3f}", "half": f"{piece.seconds / 2:.3f}", "end3": f"{piece.seconds - 3:.3f}"}
    for name, value in values.items():
        graph = graph.replace("{" + name + "}", value)
    encode_sound(piece, graph)


for _number, (_name, _harm, _description, _graph) in enumerate(GRAPHS):
    _contents = ("music", "film", "portrait") if _number % 6 else ("portrait", "music", "film")
    register(Mutant(_name, "sound", _harm, Seam.SEGMENTS, _description, _contents, partial(_filtered, _graph)))


@mutant("sound", "grave", Seam.SEGMENTS, SOUNDS)
def sound_of_another_film(piece: Workpiece) -> None:
    """the sound is that of something else"""
    other = f"{OTHER}:s=48000:d={piece.seconds}"
    encode_sound(piece, "anullsink;[1:a]anull", source=(*LAVFI, other))


@mutant("sound", "grave", Seam.SEGMENTS, SOUNDS)
def sound_of_another_film_from_the_middle(piece: Workpiece) -> None:
    """the sound is that of something else from the middle on"""
    half = piece.seconds / 2
    graph = f"atrim=end={half:.3f}[x];[1:a]anull[y];[x][y]concat=n=2:v=0:a=1"
    encode_sound(piece, graph, source=(*LAVFI, f"{OTHER}:s=48000:d={half}"))


@mutant("sound", "grave", Seam.SEGMENTS, ("film", "flat", "portrait"))
def sound_missing(piece: Workpiece) -> None:
    """a video has no track of sound"""
    silent = Workpiece(**{**piece.__dict__, "sound": None})
    encode_picture(silent)


@mutant("sound", "grave", Seam.SEGMENTS, ("music", "film", "flat"))
def sound_ends_early(piece: Workpiece) -> None:
    """the track of sound ends two seconds early"""
    path = piece.scratch / "short.m4a"
    cut = ("-t", f"{piece.seconds - 2:.3f}", "-c", "copy", "-f", "mp4", str(path))
    piece.tools.ffmpeg(["-i", str(piece.sound), *cut], label="cutting a sound")
    _with_sound(piece, path)


def _with_sound(piece: Workpiece, path: Path) -> None:
    if piece.media_type == "video":
        encode_picture(piece, sound=path)
        return
    folder = piece.scratch / "encoded"
    folder.mkdir()
    piece.tools.ffmpeg(ladder.audio_hls_arguments(str(path), str(folder)), label="segmenting a faulty sound")
    take_segments(piece, folder)


@mutant("sound", "medium", Seam.SEGMENTS, SOUNDS)
def sound_mono(piece: Workpiece) -> None:
    """the sound has one channel"""
    encode_sound(piece, "anull", options=("-ac", "1"))


@mutant("sound", "medium", Seam.SEGMENTS, SOUNDS)
def sound_surround(piece: Workpiece) -> None:
    """the sound has six channels"""
    encode_sound(piece, "anull", options=("-ac", "6"))


@mutant("sound", "medium", Seam.SEGMENTS, SOUNDS)
def sound_44_khz(piece: Workpiece) -> None:
    """the sound has 44,100 samples a second"""
    encode_sound(piece, "anull", options=("-ar", "44100"))


@mutant("sound", "grave", Seam.SEGMENTS, ("music", "flat"))
def sound_in_mp2(piece: Workpiece) -> None:
    """the sound is MPEG-1 layer 2's"""
    path = piece.scratch / "faulty.mkv"
    coded = ("-c:a", "mp2", "-b:a", "128k", "-f", "matroska", str(path))
    piece.tools.ffmpeg(["-i", str(piece.sound), *coded], label="encoding a faulty sound")
    _with_sound(piece, path)


@mutant("sound", "medium", Seam.SEGMENTS, ("music", "flat"))
def sound_in_ac3(piece: Workpiece) -> None:
    """the sound is Dolby Digital's"""
    path = piece.scratch / "faulty.mkv"
    coded = ("-c:a", "ac3", "-b:a", "192k", "-f", "matroska", str(path))
    piece.tools.ffmpeg(["-i", str(piece.sound), *coded], label="encoding a faulty sound")
    _with_sound(piece, path)


@mutant("sound", "medium", Seam.SEGMENTS, SOUNDS)
def sound_starved_of_bits(piece: Workpiece) -> None:
    """the sound has 12 kbit/s"""
    encode_sound(piece, "anull", options=("-b:a", "12k"))


@mutant("sound", "medium", Seam.SEGMENTS, ("film", "portrait", "flat"))
def sound_late_by_its_clock(piece: Workpiece) -> None:
    """the timestamps of the sound are 200 ms late"""
    encode_picture(piece, muxed=("-bsf:a", "setts=ts=TS+0.2/TB"))


@mutant("sound", "medium", Seam.SEGMENTS, SOUNDS)
def gap_in_the_clock(piece: Workpiece) -> None:
    """ten packets of sound are missing, and the clock goes on"""
    path = piece.scratch / "gap.mkv"
    kept = ("-c", "copy", "-bsf:a", "noise=drop='between(n,100,109)'", "-f", "matroska", str(path))
    piece.tools.ffmpeg(["-i", str(piece.sound), *kept], label="dropping packets of a sound")
    _with_sound(piece, path)


@mutant("sound", "grave", Seam.SEGMENTS, SOUNDS)
def sound_packets_damaged(piece: Workpiece) -> None:
    """bytes in the packets of the sound are wrong"""
    path = piece.scratch / "damaged.mkv"
    damage = ("-c", "copy", "-bsf:a", "noise=amount='if(eq(mod(n,40),39),60,0)'", "-f", "matroska", str(path))
    piece.tools.ffmpeg(["-i", str(piece.sound), *damage], label="damaging a sound")
    _with_sound(piece, path)


@mutant("sound", "medium", Seam.SEGMENTS, ("film", "flat"))
def two_tracks_of_sound(piece: Workpiece) -> None:
    """there is a second track of sound"""
    other = faulty_sound(piece, "volume=0.5")
    encode_picture(piece, beside=("-i", str(other)), muxed=("-map", "2:a:0", "-c:a", "copy"))
