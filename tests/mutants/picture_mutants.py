"""Moving pictures of a variant that are not the mezzanine's: other contents, other colours, other times, damage."""

from __future__ import annotations

from functools import partial

from fault_encodes import LAVFI, encode_picture
from mutant import PICTURES, VIDEO, Harm, Mutant, Seam, Workpiece, mutant, register

FILM = ("film", "portrait")
MATRIX = (
    "scale=in_color_matrix=bt709:out_color_matrix=bt601:in_range=tv:out_range=tv:flags=accurate_rnd,"
    "setparams=colorspace=bt709"
)
FULL = "scale=in_range=tv:out_range=pc:flags=accurate_rnd,setparams=range=tv"
NARROW = "scale=in_range=pc:out_range=tv:flags=accurate_rnd,setparams=range=tv"
# The combs of two fields of different moments in one picture.
COMBED = "tinterlace=mode=merge,scale=iw:ih/2:interl=0,fps=25"
LOGO = "drawbox=x=iw-iw/6:y=ih/20:w=iw/8:h=ih/10:color=white:t=fill"
BURST = "split[a][b];[b]format=yuv420p,noise=alls=70:allf=t[n];[a][n]overlay=enable='between(t,3,4)'"

FILTERS: tuple[tuple[str, Harm, str, str], ...] = (
    # Contents.
    ("picture_black", "grave", "the whole picture is black", "drawbox=t=fill:c=black"),
    ("picture_black_for_two_seconds", "grave", "the picture is black for two seconds",
     "drawbox=t=fill:c=black:enable='between(t,3,5)'"),
    ("picture_green", "grave", "the picture is one green plane", "drawbox=t=fill:c=0x008700"),
    ("picture_frozen", "grave", "the first picture stands for the whole programme",
     "loop=loop=-1:size=1:start=0,trim=duration={seconds}"),
    ("picture_frozen_for_two_seconds", "grave", "one picture stands for two seconds",
     "split[a][b];[b]trim=start_frame=50:end_frame=51,loop=loop=-1:size=1,setpts=N/({rate})/TB[f];"
     "[a][f]overlay=enable='between(t,2,4)':shortest=1"),
    ("picture_negative", "grave", "bright and dark are exchanged", "negate"),
    ("picture_noise", "medium", "strong noise lies over the picture", "noise=alls=60:allf=t"),
    ("picture_of_lines", "grave", "every line is the one above it, from the middle down",
     "split[a][b];[b]crop=iw:2:0:ih/2,scale=iw:{half}[l];[a][l]overlay=0:H/2"),
    ("logo_in_a_corner", "medium", "a white box covers a corner", LOGO),
    ("half_the_picture_covered", "grave", "the right half is grey", "drawbox=x=iw/2:w=iw/2:t=fill:c=gray"),
    ("one_bad_second", "medium", "noise covers the picture for one second", BURST),
    ("flash_of_white", "medium", "five pictures are white", "drawbox=t=fill:c=white:enable='between(n,80,84)'"),
    ("single_black_picture", "medium", "one picture is black", "drawbox=t=fill:c=black:enable='eq(n,77)'"),
    ("faded_in", "medium", "the picture fades in over three seconds", "fade=in:d=3"),
    ("faded_out", "medium", "the picture fades out over the last two seconds", "fade=out:st={end2}:d=2"),
    ("vignette", "medium", "the corners are darkened", "vignette=PI/3.5"),
    ("grid_over_the_picture", "medium", "a grid of lines lies over the picture", "drawgrid=w=40:h=40:t=1:c=white@0.5"),
    ("part_frozen", "medium", "a quarter of the picture stands still for two seconds",
     "split[a][b];[b]trim=start_frame=50:end_frame=51,loop=loop=-1:size=1,setpts=N/({rate})/TB,crop=iw/2:ih/2:iw/2:ih/2[f];"
     "[a][f]overlay=W/2:H/2:enable='between(t,2,4)':shortest=1"),
    ("quarter_of_another_moment", "grave", "a quarter of the picture runs backward",
     "split[a][b];[b]crop=iw/2:ih/2:0:0,reverse[f];[a][f]overlay"),
    ("two_seconds_again", "grave", "two seconds are shown again in place of others",
     "split[a][b];[b]trim=1:3,setpts=PTS-STARTPTS+4/TB[f];[a][f]overlay=enable='between(t,4,5.99)':eof_action=pass"),
    ("block_damaged", "medium", "a block of 64 pixels is noise for a second",
     "split[a][b];[b]crop=64:64:iw/2:ih/2,noise=alls=90:allf=t[n];[a][n]overlay=W/2:H/2:enable='between(t,3,4)'"),
    ("bar_for_two_seconds", "medium", "a white bar lies over the lower part for two seconds",
     "drawbox=x=iw/4:y=ih*0.88:w=iw/2:h=ih*0.05:color=white:t=fill:enable='between(t,2,4)'"),
    ("faint_box", "medium", "a third of the picture is a little brighter",
     "drawbox=x=iw/3:y=ih/3:w=iw/3:h=ih/3:color=white@0.15:t=fill"),
    # Geometry.
    ("picture_moved_by_two", "medium", "the picture is moved by 2 pixels to the right",
     "crop=iw-2:ih:0:0,pad={w}:{h}:2:0"),
    ("picture_grows", "medium", "the picture grows by 6 % to the end",
     "scale=w='trunc({w}*(1+0.06*t/{seconds})/2)*2':h='trunc({h}*(1+0.06*t/{seconds})/2)*2':eval=frame,crop={w}:{h},setsar=1"),
    ("picture_mirrored", "grave", "left and right are exchanged", "hflip"),
    ("picture_upside_down", "grave", "top and bottom are exchanged", "vflip"),
    ("picture_turned", "grave", "the picture is turned by 180 degrees", "hflip,vflip"),
    ("picture_cropped", "medium", "a tenth of each side is cut off, the rest enlarged",
     "crop=iw*0.8:ih*0.8,scale={w}:{h}"),
    ("picture_stretched", "medium", "the picture is a fifth wider than it should be",
     "crop=iw*0.8:ih:iw*0.1:0,scale={w}:{h}"),
    ("picture_in_bars", "medium", "black bars lie above and below a smaller picture",
     "scale={w}:trunc(ih*0.38)*2,pad={w}:{h}:(ow-iw)/2:(oh-ih)/2"),
    ("picture_squeezed_between_pillars", "medium", "black bars lie on both sides of a narrower picture",
     "scale=trunc(iw*0.38)*2:{h},pad={w}:{h}:(ow-iw)/2:(oh-ih)/2"),
    ("picture_moved", "medium", "the picture is moved by 8 pixels to the right", "crop=iw-8:ih:0:0,pad={w}:{h}:8:0"),
    ("picture_rolled", "grave", "the picture is rolled over by a third of its height",
     "split[a][b];[a]crop=iw:trunc(ih/6)*2:0:ih-trunc(ih/6)*2[t];[b]crop=iw:ih-trunc(ih/6)*2:0:0[u];[t][u]vstack"),
    ("edges_black", "medium", "eight black columns lie at the right edge", "drawbox=x=iw-8:w=8:t=fill:c=black"),
    ("green_line_at_the_bottom", "medium", "the lowest lines are green", "drawbox=y=ih-4:h=4:t=fill:c=0x00ff00"),
    ("picture_shaking", "medium", "the picture jumps by 6 pixels from frame to frame",
     "pad=iw+12:ih+12:6:6,crop={w}:{h}:'6+6*mod(n,2)-3':'6-3+6*mod(floor(n/2),2)'"),
    ("picture_tilted", "medium", "the picture is tilted by 3 degrees", "rotate=PI/60"),
    # Colour.
    ("planes_exchanged", "grave", "the planes of blue and red are exchanged", "shuffleplanes=0:2:1:0"),
    ("wrong_matrix", "medium", "colours went through BT.601's matrix and are called BT.709's", MATRIX),
    ("range_full", "medium", "levels use the full range and are called limited", FULL),
    ("range_narrowed", "medium", "limited levels were taken for full ones and narrowed once more", NARROW),
    ("picture_grey", "grave", "there is no colour", "hue=s=0"),
    ("picture_in_two_colours", "grave", "the plane of blue is empty", "lutyuv=u=128"),
    ("brighter", "medium", "the picture is 20 levels brighter", "lutyuv=y=val+20"),
    ("contrast_lost", "medium", "the contrast is three quarters of what it should be", "lutyuv=y=(val-126)*0.75+126"),
    ("wrong_gamma", "medium", "middle tones are lifted", "eq=gamma=1.35"),
    ("hue_turned", "medium", "all hues are turned by 25 degrees", "hue=h=25"),
    ("colours_pale", "medium", "colours have half their saturation", "hue=s=0.5"),
    ("colours_garish", "medium", "colours have twice their saturation", "hue=s=2"),
    ("tinted", "medium", "the whole picture is tinted blue", "lutyuv=u=val+14"),
    ("levels_posterised", "medium", "brightness has 12 steps", "lutyuv=y=floor(val/20)*20"),
    ("blacks_crushed", "medium", "everything dark is black", "lutyuv=y='if(lt(val,70),16,val)'"),
    ("whites_clipped", "medium", "everything bright is white", "lutyuv=y='if(gt(val,150),235,val)'"),
    ("colour_moved", "medium", "the colour lies 6 pixels beside the picture", "chromashift=cbh=6:crh=6"),
    ("colour_blurred", "light", "colour is blurred", "avgblur=sizeX=12:planes=6"),
    ("colour_late", "medium", "the colour comes two pictures late",
     "split[a][b];[b]tpad=start=2:start_mode=clone,setpts=N/({rate})/TB,trim=end_frame={frames}[c];"
     "[a][c]mergeplanes=0x001112:yuv420p,trim=end_frame={frames},setpts=N/({rate})/TB"),
    ("colour_frozen", "medium", "the colour is that of the first picture throughout",
     "split[a][b];[b]loop=loop=-1:size=1:start=0,setpts=N/({rate})/TB[c];"
     "[a][c]mergeplanes=0x001112:yuv420p,trim=end_frame={frames},setpts=N/({rate})/TB"),
    ("brightness_flickers", "medium", "the brightness swings twice a second",
     "eq=brightness='0.06*sin(2*PI*2*t)':eval=frame"),
    ("brightness_drifts", "medium", "the picture becomes darker to the end",
     "eq=brightness='-0.08*t/{seconds}':eval=frame"),
    ("colours_fade", "medium", "the colours fade to the end", "hue=s='1-0.6*t/{seconds}'"),
    ("red_too_weak", "medium", "one plane of colour has three quarters of its strength", "lutyuv=v=(val-128)*0.75+128"),
    ("sepia", "grave", "the picture is brown", "lutyuv=u=112:v=144"),
    ("solarised", "grave", "everything bright is negative", "lutyuv=y='if(gt(val,126),251-val,val)'"),
    # Sharpness.
    ("quarter_blurred", "medium", "a quarter of the picture is out of focus",
     "split[a][b];[b]crop=iw/2:ih/2:iw/2:ih/2,gblur=sigma=4[f];[a][f]overlay=W/2:H/2"),
    ("blurred", "medium", "the picture is out of focus", "gblur=sigma=2.5"),
    ("upscaled", "medium", "the picture was enlarged from a third of its size",
     "scale={w}/3:{h}/3:flags=area,scale={w}:{h}:flags=bicubic"),
    ("pixelated", "medium", "the picture is made of squares of 6 pixels",
     "scale={w}/6:{h}/6:flags=area,scale={w}:{h}:flags=neighbor"),
    ("sharpened_too_much", "medium", "edges have halos", "unsharp=7:7:2.5"),
    ("denoised_to_wax", "light", "all fine texture is gone", "hqdn3d=12:9:12:9"),
    ("ghosted", "medium", "each picture still shows the one before it", "tmix=frames=3"),
    ("combed", "medium", "every second line is of the picture before",
     "split[a][b];[b]setpts=PTS+1/({rate})/TB,tpad=start=1:start_mode=clone,setpts=N/({rate})/TB,il=l=d:c=d,"
     "crop=iw:ih/2:0:0[f];[a]il=l=d:c=d,crop=iw:ih/2:0:ih/2[g];[f][g]vstack,il=l=i:c=i"),
    ("fields_exchanged", "medium", "neighbouring lines are exchanged", "il=ls=1:cs=1"),
    # Time.
    ("half_late", "medium", "the left half comes three pictures late",
     "split[a][b];[b]crop=iw/2:ih:0:0,tpad=start=3:start_mode=clone,setpts=N/({rate})/TB[f];"
     "[a][f]overlay=shortest=1,trim=end_frame={frames}"),
    ("picture_stutters", "medium", "one picture in 24 is doubled and the next left out",
     "select='not(eq(mod(n,24),12))',fps={rate}"),
    ("picture_late_by_one", "medium", "the picture comes one frame late",
     "tpad=start=1:start_mode=clone,setpts=N/({rate})/TB,trim=end_frame={frames}"),
    ("picture_early_by_one", "medium", "the picture comes one frame early",
     "trim=start_frame=1,setpts=PTS-STARTPTS,tpad=stop=1:stop_mode=clone"),
    ("picture_late_by_three_seconds", "grave", "the picture comes three seconds late",
     "tpad=start_duration=3:start_mode=clone,setpts=N/({rate})/TB,trim=end_frame={frames}"),
    ("half_the_rate", "medium", "every second picture is the one before it again",
     "select='not(mod(n,2))',setpts=2*N/({rate})/TB,fps={rate}:round=up,tpad=stop=2:stop_mode=clone,"
     "trim=end_frame={frames}"),
    ("pictures_dropped_once", "medium", "five pictures are left out, the last one stands longer",
     "select='not(between(n,60,64))',setpts=N/({rate})/TB,tpad=stop=5:stop_mode=clone"),
    ("pictures_doubled_once", "medium", "one picture is shown six times, the end is missing",
     "loop=loop=5:size=1:start=60,setpts=N/({rate})/TB,trim=end_frame={frames}"),
    ("pictures_reversed", "grave", "the programme runs backward", "reverse"),
    ("pictures_exchanged", "medium", "neighbouring pictures are exchanged", "shuffleframes=1 0"),
    ("pictures_in_fours_backward", "grave", "every four pictures run backward", "shuffleframes=3 2 1 0"),
    ("picture_runs_fast", "grave", "the picture runs a tenth too fast and stands at the end",
     "setpts=PTS/1.1,fps={rate},tpad=stop=-1:stop_mode=clone,trim=end_frame={frames}"),
    ("picture_runs_slow", "grave", "the picture runs a tenth too slow, and its end is missing",
     "setpts=PTS*1.1,fps={rate},trim=end_frame={frames}"),
    ("picture_drifts", "medium", "the picture loses a frame in each second and stands at the end",
     "select='mod(n+1,25)',setpts=N/({rate})/TB,tpad=stop=-1:stop_mode=clone,trim=end_frame={frames}"),
    ("pulldown_judder", "medium", "every fifth picture is doubled and the next is left out", "shuffleframes=0 1 2 3 3"),
)  # fmt: skip


def _filtered(chain: str, piece: Workpiece) -> None:
    assert piece.rung is not None
    assert piece.rate is not None
    frames = round(piece.seconds * piece.rate)
    encode_picture(
        piece,
        chain.format(
            w=piece.rung.width,
            h=piece.rung.height,
            half=piece.rung.height // 2,
            rate=piece.rate,
            seconds=piece.seconds,
            end2=piece.seconds - 2,
            frames=frames,
        ),
    )


for _number, (_name, _harm, _description, _chain) in enumerate(FILTERS):
    _contents = FILM if _number % 3 else ("flat", *FILM)
    register(Mutant(_name, "pictures", _harm, Seam.SEGMENTS, _description, _contents, partial(_filtered, _chain)))


@mutant("pictures", "grave", Seam.SEGMENTS, VIDEO)
def picture_of_another_film(piece: Workpiece) -> None:
    """the picture is that of another film"""
    assert piece.rung is not None
    size = f"{piece.rung.width}x{piece.rung.height}"
    other = f"gradients=s={size}:r={piece.rate}:d={piece.seconds}:seed=3:speed=0.05"
    encode_picture(piece, source=(*LAVFI, other))


@mutant("pictures", "grave", Seam.SEGMENTS, ("film",))
def segments_exchanged(piece: Workpiece) -> None:
    """six seconds of the picture stand in the place of the six before them"""
    parts = "split=3[a][b][c];[a]trim=6:12,setpts=PTS-STARTPTS[x];[b]trim=0:6[y];[c]trim=12,setpts=PTS-STARTPTS[z]"
    encode_picture(piece, f"{parts};[x][y][z]concat=n=3,fps={piece.rate}")


@mutant("pictures", "grave", Seam.SEGMENTS, ("film",))
def segment_repeated(piece: Workpiece) -> None:
    """the first six seconds of the picture are shown twice, the next never"""
    parts = "split=3[a][b][c];[a]trim=0:6[x];[b]trim=0:6[y];[c]trim=12,setpts=PTS-STARTPTS[z]"
    encode_picture(piece, f"{parts};[x][y][z]concat=n=3,fps={piece.rate}")


@mutant("pictures", "grave", Seam.SEGMENTS, ("film", "flat"))
def last_second_missing(piece: Workpiece) -> None:
    """the last second of picture and sound is missing"""
    sound = None
    if piece.sound is not None:
        sound = piece.scratch / "short.m4a"
        cut = ("-t", f"{piece.seconds - 1:.3f}", "-c", "copy", "-f", "mp4", str(sound))
        piece.tools.ffmpeg(["-i", str(piece.sound), *cut], label="cutting a sound")
    encode_picture(piece, f"trim=end={piece.seconds - 1:.3f}", sound=sound)


@mutant("pictures", "medium", Seam.SEGMENTS, FILM)
def starved_of_bits(piece: Workpiece) -> None:
    """the picture falls to blocks, at a tenth of its rate"""
    encode_picture(piece, encoder=("-b:v", "40k", "-maxrate", "44k", "-bufsize", "80k"))


@mutant("pictures", "medium", Seam.SEGMENTS, FILM)
def coarse_without_filter(piece: Workpiece) -> None:
    """the picture is quantised coarsely and its blocks are not smoothed"""
    encode_picture(piece, encoder=("-x264-params", "qpmin=44:no-deblock=1"))


@mutant("pictures", "light", Seam.SEGMENTS, PICTURES)
def key_frames_rare(piece: Workpiece) -> None:
    """there is a key frame at the start of each segment only"""
    encode_picture(piece, encoder=("-force_key_frames", "expr:gte(t,n_forced*6)", "-g", "1000"))


@mutant("pictures", "grave", Seam.SEGMENTS, PICTURES)
def gops_open(piece: Workpiece) -> None:
    """pictures of a segment need the segment before"""
    options = ("-forced-idr", "0", "-flags", "-cgop", "-x264-params", "open-gop=1:keyint=50:bframes=3:b-adapt=0")
    encode_picture(piece, encoder=options)


@mutant("pictures", "medium", Seam.SEGMENTS, ("film", "flat", "silent"))
def interlaced_coding(piece: Workpiece) -> None:
    """the picture is coded as fields"""
    encode_picture(piece, encoder=("-flags", "+cgop+ildct+ilme", "-x264-params", "tff=1"))


@mutant("pictures", "medium", Seam.SEGMENTS, ("film", "flat", "silent"))
def another_size(piece: Workpiece) -> None:
    """the picture is two lines smaller than its variant"""
    encode_picture(piece, "scale=iw:ih-2,setsar=1")


@mutant("pictures", "medium", Seam.SEGMENTS, ("film", "flat", "silent"))
def another_rate(piece: Workpiece) -> None:
    """the picture has 20 frames a second"""
    encode_picture(piece, "fps=20")


@mutant("pictures", "grave", Seam.SEGMENTS, ("film", "flat"))
def chroma_in_full(piece: Workpiece) -> None:
    """the picture is coded in 4:4:4, which few devices play"""
    encode_picture(piece, encoder=("-profile:v", "high444", "-pix_fmt", "yuv444p"))


@mutant("pictures", "grave", Seam.SEGMENTS, ("film", "flat"))
def ten_bits(piece: Workpiece) -> None:
    """the picture is coded with 10 bits, which few devices play"""
    encode_picture(piece, encoder=("-profile:v", "high10", "-pix_fmt", "yuv420p10le"))


@mutant("pictures", "grave", Seam.SEGMENTS, ("film", "flat"))
def picture_in_mpeg2(piece: Workpiece) -> None:
    """the picture is MPEG-2's"""
    options = ("-c:v", "mpeg2video", "-profile:v", "4", "-level:v", "8", "-preset", "0", "-threads", "1")
    encode_picture(piece, encoder=(*options, "-bf", "0"))
