"""Drawn inputs: pages, text lines, faces, scenes, captchas, speech-like sound, brain waves, bytes of real files.

All of it follows from a seed. Fonts are the one inside Pillow, so that every machine draws the same.
"""

import io
import json
import sys
import wave
import zipfile
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

LINES = (
    "Invoice 2047 of the harbour office", "The train leaves at 09:45", "Total: 1,284.50 EUR",
    "All rights reserved", "Handle with care", "Chapter 7: Tides and Currents", "Room 314, second floor",
    "Opening hours 8 am to 6 pm", "The quick brown fox jumps over the lazy dog", "Serial No. AX-5519-C",
    "Please sign here and return", "Mix flour, eggs and milk", "Temperature 21.5 C",
)
SENTENCES = (
    "A cat sleeps on the warm windowsill.", "A kitten is napping by the sunny window.",
    "The central bank raised interest rates again.", "Borrowing money became more expensive this month.",
    "How do I reset my password?", "I forgot my login details and need help getting back into my account.",
    "Preheat the oven and butter a baking dish before you whisk eggs, sugar, flour and a pinch of salt into a "
    "smooth batter; bake it for forty minutes until it is golden brown and let it cool.",
)


def rng(seed):
    return np.random.default_rng(seed)


@lru_cache(None)
def font(size):
    return ImageFont.load_default(size)


def shaded(width, height, low, high, seed):
    """A background that is brighter on one side, with the grain of a camera."""
    random = rng(seed)
    angle = random.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    slope = x * np.cos(angle) + y * np.sin(angle)
    slope = (slope - slope.min()) / max(float(np.ptp(slope)), 1e-9)
    tone = np.array(low) + slope[..., None] * (np.array(high) - np.array(low))
    tone = tone + random.normal(0, 2.5, (height, width, 1))
    return Image.fromarray(np.clip(tone, 0, 255).astype(np.uint8))


def text_line(text, height, seed=0):
    """A line of text cut out of a page: dark on light or light on dark."""
    size = int(height * 0.62)
    width = int(font(size).getlength(text)) + height
    dark = seed % 3 == 2
    image = shaded(width, height, (40, 50, 70) if dark else (225, 222, 215),
                   (70, 70, 90) if dark else (250, 250, 248), seed)
    ImageDraw.Draw(image).text((height // 2, height // 2), text, (240, 240, 230) if dark else (25, 25, 35),
                               font(size), anchor="lm")
    return image


def page(width, height, seed=0):
    """A letter: heading, paragraphs, a table, a ruled line."""
    random = rng(seed)
    image = shaded(width, height, (228, 225, 218), (252, 251, 249), seed)
    draw = ImageDraw.Draw(image)
    size, margin = max(width // 26, 11), width // 12
    draw.text((margin, margin), LINES[seed % len(LINES)][:20], (20, 20, 90), font(int(size * 1.6)))
    y = margin + 3 * size
    draw.line((margin, y, width - margin, y), (120, 120, 120), 2)
    words = " ".join(random.permutation(LINES)).split()
    while y < height * 0.68:
        y += int(size * 1.45)
        line = ""
        while words and font(size).getlength(line + words[0]) < (width - 2 * margin) * random.uniform(0.8, 1):
            line += words.pop(0) + " "
        words = words or " ".join(LINES).split()
        draw.text((margin, y), line, (35, 35, 40), font(size))
    y += 2 * size
    for row in range(2):
        for column in range(3):
            left, step = margin + column * (width - 2 * margin) // 3, (width - 2 * margin) // 3
            top = y + row * 2 * size
            draw.rectangle((left, top, left + step, top + 2 * size), outline=(90, 90, 90))
            draw.text((left + 6, top + size // 2), f"{random.integers(100, 9999)}", (60, 20, 20), font(size))
    return image


def oval(draw, centre, radii, fill):
    draw.ellipse((centre[0] - radii[0], centre[1] - radii[1], centre[0] + radii[0], centre[1] + radii[1]), fill)


def face(size, seed=0):
    """A face from ellipses, lit from one side, on a plain background."""
    random = rng(1000 + seed)
    s = size * 4
    skin = np.array([(224, 180, 150), (190, 138, 105), (238, 200, 175)][seed % 3])
    hair = tuple(int(v) for v in np.array([(60, 40, 25), (30, 25, 25), (140, 95, 50)][seed % 3]))
    image = shaded(s, s, (110, 130, 150), (170, 180, 185), seed)
    draw = ImageDraw.Draw(image)
    cx, cy, rx, ry = s / 2, s * 0.53, s * 0.27, s * 0.36
    draw.rectangle((cx - rx * 0.45, cy + ry * 0.6, cx + rx * 0.45, s), tuple(int(v * 0.85) for v in skin))
    oval(draw, (cx, s * 1.08), (s * 0.42, s * 0.22), (70, 80, 120))
    oval(draw, (cx, cy - ry * 0.18), (rx * 1.18, ry * 1.05), hair)
    light = random.uniform(-0.35, 0.35)
    for step in range(24):  # rings from dark rim to lit centre
        k = step / 23
        tone = tuple(int(v) for v in np.clip(skin * (0.72 + 0.33 * k), 0, 255))
        oval(draw, (cx + light * rx * k, cy - 0.1 * ry * k), (rx * (1 - 0.75 * k), ry * (1 - 0.75 * k)), tone)
    dark = tuple(int(v * 0.62) for v in skin)
    for side in (-1, 1):
        ex, ey = cx + side * rx * 0.42, cy - ry * 0.16
        oval(draw, (ex, ey - ry * 0.03), (rx * 0.27, ry * 0.12), dark)
        oval(draw, (ex, ey), (rx * 0.2, ry * 0.075), (238, 236, 232))
        oval(draw, (ex, ey), (rx * 0.1, ry * 0.07), (70, 50, 35))
        oval(draw, (ex, ey), (rx * 0.05, ry * 0.035), (10, 10, 10))
        draw.line((ex - rx * 0.26, ey - ry * 0.17, ex + rx * 0.26, ey - ry * 0.2), hair, int(s * 0.014))
        oval(draw, (cx + side * rx * 0.13, cy + ry * 0.23), (rx * 0.07, ry * 0.03), dark)
    draw.line((cx + rx * 0.05, cy - ry * 0.12, cx + rx * 0.13, cy + ry * 0.2), dark, int(s * 0.012))
    oval(draw, (cx, cy + ry * 0.52), (rx * 0.38, ry * 0.085), (165, 75, 75))
    draw.line((cx - rx * 0.36, cy + ry * 0.52, cx + rx * 0.36, cy + ry * 0.52), (95, 35, 40), int(s * 0.012))
    return image.filter(ImageFilter.GaussianBlur(s / 110)).resize((size, size), Image.LANCZOS)


def scene(width, height, seed=0):
    """A street of shaded objects with people in it: their faces and clothes, a box, a ball, a sign."""
    random = rng(2000 + seed)
    image = shaded(width, height, (150, 175, 205), (205, 220, 235), seed)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, height * 0.72, width, height), (105, 110, 100))
    for _ in range(3):
        left, w, h = random.uniform(0, width), random.uniform(0.1, 0.3) * width, random.uniform(0.2, 0.5) * height
        tone = tuple(int(v) for v in random.integers(70, 190, 3))
        draw.rectangle((left, height * 0.74 - h, left + w, height * 0.74), tone)
    radius = 0.07 * min(width, height)
    for step in range(12):
        oval(draw, (width * 0.12 + step * 0.3, height * 0.85 - step * 0.4),
             (radius * (1 - step / 14), radius * (1 - step / 14)), (120 + 10 * step, 40 + 8 * step, 35 + 6 * step))
    people = 1 + seed % 3
    for person in range(people):
        size = int(min(width / (people + 0.4), height) * random.uniform(0.55, 0.75))
        left = int(width * (person + 0.5) / people - size / 2)
        top = int(height * 0.08)
        draw.rectangle((left + size * 0.15, top + size * 0.9, left + size * 0.85, height),
                       tuple(int(v) for v in random.integers(40, 160, 3)))
        image.paste(face(size, seed + person), (left, top))
    sign = (int(width * 0.7), int(height * 0.9), int(width * 0.95), int(height * 0.98))
    draw.rectangle(sign, (230, 220, 80))
    draw.text((sign[0] + 4, sign[1] + 1), "EXIT", (20, 20, 20), font(max(height // 24, 8)))
    return image


def captcha(text, seed=0):
    """Letters, each turned and shifted, over lines and speckles: 160 x 60."""
    random = rng(3000 + seed)
    image = shaded(160, 60, (220, 225, 235), (245, 245, 240), seed)
    for place, letter in enumerate(text):
        tile = Image.new("L", (44, 52), 0)
        ImageDraw.Draw(tile).text((22, 26), letter, 255, font(38), anchor="mm")
        tile = tile.rotate(random.uniform(-18, 18), Image.BILINEAR)
        colour = Image.new("RGB", tile.size, tuple(int(v) for v in random.integers(10, 120, 3)))
        step = 150 // len(text)
        image.paste(colour, (4 + place * step, int(random.integers(0, 8))), tile)
    draw = ImageDraw.Draw(image)
    for _ in range(2):
        draw.line((0, random.integers(60), 160, random.integers(60)), (110, 120, 140), 1)
    for x, y in zip(random.integers(0, 160, 60), random.integers(0, 60, 60)):
        draw.point((x, y), (90, 90, 90))
    return image


FORMANTS = ((730, 1090, 2440), (270, 2290, 3010), (530, 1840, 2480), (570, 840, 2410), (300, 870, 2240))


def speech(seconds, rate=16000, seed=0):
    """Sound like speech: a voice of harmonics whose vowels have formants, hisses, pauses. Within -1..1."""
    random = rng(4000 + seed)
    sound = np.zeros(int(seconds * rate))
    at = int(0.12 * rate)
    pitch = random.uniform(95, 210)
    while at < len(sound):
        if random.random() < 0.22:  # a pause between words
            at += int(random.uniform(0.15, 0.4) * rate)
            continue
        if random.random() < 0.5:  # a hiss
            length = int(random.uniform(0.04, 0.1) * rate)
            hiss = np.diff(random.normal(size=length + 1)) * np.hanning(length) * 0.05
            end = min(at + length, len(sound))
            sound[at:end] += hiss[:end - at]
            at = end
        length = min(int(random.uniform(0.1, 0.24) * rate), len(sound) - at)
        if length < 2:
            break
        t = np.arange(length) / rate
        glide = pitch * (1 + random.uniform(-0.12, 0.12) * t / t[-1]) * random.uniform(0.9, 1.1)
        phase = 2 * np.pi * np.cumsum(glide) / rate
        first, second = (np.array(FORMANTS[random.integers(5)]) for _ in range(2))
        vowel = np.zeros(length)
        for harmonic in range(1, int(min(rate / 2, 4000) / (pitch * 1.2))):
            blend = first + (second - first) * (t / t[-1])[:, None]
            near = np.exp(-((harmonic * glide[:, None] - blend) / np.array([90, 130, 180])) ** 2)
            vowel += np.sin(harmonic * phase) * (near @ np.array([1, 0.55, 0.3]) + 0.04 / harmonic)
        envelope = np.minimum(np.minimum(t / 0.02, (t[-1] - t) / 0.05), 1)
        sound[at:at + length] += vowel * envelope * 0.25
        at += length
    sound += random.normal(0, 0.001, len(sound))
    return (sound / max(np.abs(sound).max(), 1e-9) * 0.6).astype(np.float32)


def brain_waves(seconds, rate, seed=0, spindles=True, seizure=False):
    """An EEG: 1/f noise and alpha waves, with sleep spindles and with the spikes and waves of a seizure."""
    random = rng(5000 + seed)
    count = int(seconds * rate)
    bins = np.fft.rfftfreq(count, 1 / rate)
    spectrum = (random.normal(size=bins.size) + 1j * random.normal(size=bins.size)) / np.maximum(bins, 0.5)
    wave_ = np.fft.irfft(spectrum, count)
    wave_ /= wave_.std()
    t = np.arange(count) / rate
    wave_ += 0.4 * np.sin(2 * np.pi * 9.5 * t + random.uniform(0, 6)) * (1 + np.sin(2 * np.pi * 0.11 * t)) / 2
    if spindles:
        for centre in np.arange(3 + random.uniform(0, 2), seconds, random.uniform(4, 7)):
            wave_ += 1.6 * np.exp(-((t - centre) / 0.45) ** 2) * np.sin(2 * np.pi * random.uniform(12, 14.5) * t)
    if seizure:
        inside = (t > seconds * 0.4) & (t < seconds * 0.75)
        beat = 3.2 - 0.8 * (t - seconds * 0.4) / seconds
        phase = np.cumsum(beat) / rate % 1
        spikes = 9 * np.exp(-((phase - 0.2) / 0.03) ** 2) - 5 * np.exp(-((phase - 0.6) / 0.2) ** 2)
        wave_ += inside * (spikes + 2 * np.sin(2 * np.pi * 22 * t) * (phase < 0.5))
    return wave_


def real_files():
    """(kind, bytes) of files as they lie on a disk or as programs write them."""
    here = Path(__file__)
    yield "python", here.read_bytes()
    image = io.BytesIO()
    page(200, 260).save(image, "PNG")
    yield "png", image.getvalue()
    image = io.BytesIO()
    scene(160, 120).save(image, "JPEG")
    yield "jpeg", image.getvalue()
    yield "elf", Path(sys.executable).resolve().read_bytes()[:1 << 20]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("notes.txt", (2000, 1, 1, 0, 0, 0)), "\n".join(LINES) * 20)
    yield "zip", packed.getvalue()
    yield "json", json.dumps([{"line": line, "length": len(line)} for line in LINES], indent=1).encode()
    sound = io.BytesIO()
    with wave.open(sound, "wb") as out:
        out.setnchannels(1), out.setsampwidth(2), out.setframerate(16000)
        out.writeframes((speech(0.5) * 32767).astype("<i2").tobytes())
    yield "wav", sound.getvalue()
    root = here.parents[2]
    yield "c", (root / "lib" / "ops" / "concat.c").read_bytes()
    yield "markdown", (root / "README.md").read_bytes()
    yield "html", (b"<!DOCTYPE html>\n<html><head><title>Tides</title></head>\n<body>\n" +
                   b"".join(b"<p>" + line.encode() + b"</p>\n" for line in LINES) + b"</body></html>\n")
