"""How each model of the table is fed.

A play is a generator: it gets one function per model file (feeds -> outputs by name), the data files and whether
a quick pass is wanted, and yields an Answer for each run. It is played once with onnxruntime and once with
libinfer; what a model says is carried into its own next run, so state and loops drift apart if they can.
"""

import json
import unicodedata
from dataclasses import dataclass
from typing import Any, Dict

import numpy as np
from PIL import Image

import drawn

IMAGENET = (np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32))


@dataclass
class Answer:
    """What one run gave. `says` is its meaning in words, which has to be the same too."""

    label: str
    outputs: Dict[str, Any]
    says: str = ""


def first(outputs):
    return next(iter(outputs.values()))


def pixels(image, mean=0.0, std=1.0, scale=1 / 255):
    """An image as normalized floats [channels, height, width]."""
    array = np.asarray(image.convert("RGB"), np.float32) * np.float32(scale)
    return np.ascontiguousarray(((array - mean) / std).astype(np.float32).transpose(2, 0, 1))


def turned(image, quarter):
    return image.rotate(-90 * quarter, expand=True)


def letterboxed(image, width, height, colour):
    scale = min(width / image.width, height / image.height)
    small = image.resize((max(round(image.width * scale), 1), max(round(image.height * scale), 1)),
                         Image.BILINEAR)
    canvas = Image.new("RGB", (width, height), colour)
    canvas.paste(small, ((width - small.width) // 2, (height - small.height) // 2))
    return canvas


def onnx_metadata(path):
    import onnx

    return {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}


def some(sizes, quick):
    return sizes[:1] if quick else sizes


# ---- text in images ----


def text_direction(runs, data, quick):
    """Lines upright and upside down; 48 x 192 pixels and other sizes."""
    for batch, width in some([(3, 192), (1, 192), (1, 160), (3, 320)], quick):
        lines = [drawn.text_line(drawn.LINES[i], 48, i) for i in range(batch)]
        lines = [turned(line, 2 * (i % 2)) for i, line in enumerate(lines)]
        x = np.stack([pixels(line.resize((width, 48), Image.BILINEAR), 0.5, 0.5) for line in lines])
        outputs = runs[0]({"x": x})
        says = " ".join(str(180 * int(row.argmax())) for row in first(outputs))
        yield Answer(f"{batch}x3x48x{width}", outputs, f"turned {says}")


def text_detection(runs, data, quick):
    for batch, height, width in some([(1, 320, 320), (3, 256, 192), (1, 480, 352), (1, 160, 640)], quick):
        pages = [drawn.page(width, height, seed) for seed in range(batch)]
        outputs = runs[0]({"x": np.stack([pixels(image, *IMAGENET) for image in pages])})
        share = (first(outputs) > 0.3).mean()
        yield Answer(f"{batch}x3x{height}x{width}", outputs, f"text on {share:.0%} of the page")


def text_recognition(runs, data, quick):
    """Lines padded to the widest of a batch, read by the best class at each step."""
    alphabet = "_" + "".join(onnx_metadata(data["model"])["character"].split("\n")) + " "
    for lines in some([(2, 1, 6), (0,), (3,), (8,), (9, 10, 12)], quick):
        images = [drawn.text_line(drawn.LINES[i], 48, i) for i in lines]
        width = max(image.width for image in images)
        x = np.zeros((len(images), 3, 48, width), np.float32)
        for row, image in zip(x, images):
            row[:, :, :image.width] = pixels(image, 0.5, 0.5)
        outputs = runs[0]({"x": x})
        steps = first(outputs).argmax(-1)
        read = ["".join(alphabet[c] for i, c in enumerate(row) if c and (i == 0 or c != row[i - 1]))
                for row in steps]
        yield Answer(f"{len(images)}x3x48x{width}", outputs, " / ".join(read))


# ---- scenes and faces ----


def detection(runs, data, quick):
    for batch, height, width in some([(3, 320, 320), (1, 320, 320), (1, 256, 416), (3, 192, 320)], quick):
        images = [drawn.scene(width, height, seed) for seed in range(batch)]
        outputs = runs[0]({"images": np.stack([pixels(image) for image in images])})
        scores = first(outputs)[:, 4:]
        says = ", ".join(f"class {int(row.max(1).argmax())} at {row.max():.2f}" for row in scores)
        yield Answer(f"{batch}x3x{height}x{width}", outputs, says)


def face_pixels(image):
    return np.ascontiguousarray((np.asarray(image.convert("RGB"), np.float32) - 127.5) / 128)


def face_proposals(runs, data, quick):
    for batch, height, width in some([(3, 60, 80), (1, 120, 160), (1, 37, 53), (3, 24, 24)], quick):
        images = [face_pixels(drawn.scene(width, height, seed)) for seed in range(batch)]
        outputs = runs[0]({"input_1": np.stack(images)})
        yield Answer(f"{batch}x{height}x{width}x3", outputs,
                     f"{int((outputs['softmax'][..., 1] > 0.6).sum())} cells with a face")


def face_crops(size):
    """Faces, and what is none: text, sky, half a face."""
    def play(runs, data, quick):
        name = "input_2" if size == 24 else "input_3"
        for batch in some([3, 1, 8], quick):
            crops = [drawn.face(2 * size, 0), drawn.page(2 * size, 2 * size, 1),
                     drawn.face(2 * size, 2).crop((size // 2, 0, 2 * size, 2 * size)),
                     *(drawn.face(2 * size, seed) for seed in range(3, 8))][:batch]
            x = np.stack([face_pixels(crop.resize((size, size), Image.BILINEAR)) for crop in crops])
            outputs = runs[0]({name: x})
            odds = next(value for key, value in outputs.items() if key.startswith("softmax"))
            yield Answer(f"{batch}x{size}x{size}x3", outputs,
                         f"{int((odds[:, 1] > 0.5).sum())} of {batch} are faces")
    return play


def page_orientation(size):
    def play(runs, data, quick):
        for batch in some([3, 1, 4], quick):
            pages = [turned(drawn.page(size * 2, size * 2, seed), seed % 4) for seed in range(batch)]
            x = np.stack([pixels(letterboxed(image, size, size, "white"), *IMAGENET) for image in pages])
            outputs = runs[0]({"x": x})
            says = " ".join(str(90 * int(row.argmax())) for row in first(outputs))
            yield Answer(f"{batch}x3x{size}x{size}", outputs, f"turned {says}")
    return play


def captchas(runs, data, quick):
    labels = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
    for texts in some([("7KQ4", "X2MB", "90HT"), ("A5RE",), ("PWD3", "8YZ6")], quick):
        images = [pixels(drawn.captcha(text, seed), scale=1)[::-1] for seed, text in enumerate(texts)]
        outputs = runs[0]({"image": np.stack(images)})
        steps = first(outputs).argmax(-1).T
        read = ["".join(labels[c] for i, c in enumerate(row) if c != 36 and (i == 0 or c != row[i - 1]))
                for row in steps]
        yield Answer(f"{len(texts)}x3x60x160", outputs, f"{' '.join(texts)} read as {' '.join(read)}")


def classification(runs, data, quick):
    for seed in some([0, 1, 2], quick):
        image = drawn.scene(224, 224, seed) if seed != 1 else drawn.page(224, 224, seed)
        outputs = runs[0]({None: pixels(image, *IMAGENET)[None]})
        yield Answer(f"1x3x224x224 number {seed}", outputs, f"class {int(first(outputs).argmax())}")


# ---- files and text ----


def file_types(runs, data, quick):
    """The first and the last 1024 bytes without white space at the ends, padded with 256."""
    labels = json.loads(data["config"].read_text())["target_labels_space"]
    kinds, rows = [], []
    for kind, content in drawn.real_files():
        head, tail = content[:4096].lstrip()[:1024], content[-4096:].rstrip()[-1024:]
        row = np.full(2048, 256, np.int32)
        row[:len(head)] = np.frombuffer(head, np.uint8)
        row[2048 - len(tail):] = np.frombuffer(tail, np.uint8)
        kinds.append(kind), rows.append(row)
    for part in some([slice(0, 3), slice(3, 4), slice(4, 5), slice(5, 8), slice(8, 10)], quick):
        outputs = runs[0]({"bytes": np.stack(rows[part])})
        found = [labels[int(row.argmax())] for row in first(outputs)]
        yield Answer(f"{len(found)}x2048", outputs, ", ".join(f"{k} is {f}" for k, f in zip(kinds[part], found)))


KHMER = ("ខ្ញុំចូលចិត្តរៀនភាសាខ្មែរ", "សាលារៀននៅជិតផ្សារថ្មី", "ព្រះរាជាណាចក្រកម្ពុជាមានប្រាសាទអង្គរវត្ត",
         "ថ្ងៃនេះមេឃស្រឡះល្អណាស់")


def khmer(runs, data, quick):
    """One text at a time, for all that the file says of a batch; one is padded, and masked where it is."""
    ids = json.loads(data["config"].read_text())["char2id"]
    for number, text in enumerate(some(KHMER, quick)):
        length = len(text) + 9 * (number == 1)
        x = np.zeros((1, length), np.int64)
        x[0, :len(text)] = [ids.get(letter, 1) for letter in text]
        mask = np.arange(length)[None] < len(text)
        outputs = runs[0]({"x": x, "mask": mask})
        tags = first(outputs)[0].argmax(-1)
        yield Answer(f"1x{length}", outputs, f"{int(tags[:len(text)].sum())} of {len(text)} tagged 1")


THAI = ("ฉันชอบกินข้าวผัดกับเพื่อนที่ตลาด", "ประเทศไทยมีอากาศร้อนในเดือนเมษายน", "รถไฟออกเวลา 9 โมงเช้า",
        "การประชุมครั้งต่อไปจะจัดขึ้นที่กรุงเทพมหานครในวันที่ 15 ธันวาคม")


def thai_cnn(runs, data, quick):
    ids = json.loads(data["characters"].read_text())
    for text in some(THAI, quick):
        x = np.array([[ids.get(letter, ids["<UNK>"]) for letter in text]], np.int64)
        outputs = runs[0]({"input": x})
        words = int((first(outputs) > 0).sum())
        yield Answer(f"1x{len(text)}", outputs, f"{words} words in {len(text)} characters")


THAI_LETTERS = "กขฃคฅฆงจฉชซฌญฎฏฐฑฒณดตถทธนบปผฝพฟภมยรฤลวศษสหฬอฮฯะัาำิีึืฺุูเแโใไๅๆ็่้๊๋์ํ๐๑๒๓๔๕๖๗๘๙"
THAI_KINDS = (("กขฃคฆงจชซญฎฏฐฑฒณดตถทธนบปพฟภมยรลวศษสฬอ", 1), ("ฅฉผฝหฮฤ", 3), ("ัะาำิีืึุู", 10),
              ("เแโใไ", 11), ("่้๊๋็", 9), ("์ๆฯ", 7), ("0123456789", 2), (" ", 5))


def thai_windows(text):
    """For each character the 21 around it: ten after, ten before backwards, itself; and their kinds."""
    digits = {letter: 17 + i for i, letter in enumerate("0123456789")}
    letters = {letter: 96 + i for i, letter in enumerate(THAI_LETTERS)} | digits | {" ": 1}
    kinds = {letter: kind for group, kind in THAI_KINDS for letter in group}
    padded = " " * 10 + text + " " * 10
    windows = [padded[i + 1:i + 11] + padded[i - 10:i][::-1] + padded[i] for i in range(10, 10 + len(text))]
    return (np.array([[letters.get(c, 80) for c in window] for window in windows], np.float32),
            np.array([[kinds.get(c, 4) for c in window] for window in windows], np.float32))


def thai_stacked(runs, data, quick):
    """The first net's odds and their entropy go into the second, with a sign for each vowel that opens a word."""
    for text in some(THAI, quick):
        letters, kinds = thai_windows(text)
        odds = first(runs[0]({"inputs": letters, "inputs_1": kinds})).reshape(-1)
        yield Answer(f"{len(text)}x21 first", {"odds": odds}, f"{int((odds > 0.5).sum())} words")
        both = np.stack([1 - odds, odds], 1)
        both = np.clip(both / np.linalg.norm(both, axis=1, keepdims=True), 1e-15, None)
        extra = np.zeros((len(text), 21), np.float32)
        extra[:, 0] = -(both * np.log(both)).sum(1)
        extra[:, 1] = odds
        extra[:, 2] = [letter in "เแโใไ" for letter in text]
        extra[:, 3] = [letter in " " for letter in text]
        outputs = runs[1]({"input1": letters, "input2": kinds, "input3": extra})
        yield Answer(f"{len(text)}x21 second", outputs, f"{int((first(outputs) > 0.5).sum())} words")


ARABIC = ("بسم الله الرحمن الرحيم", "ذهب الولد إلى المدرسة في الصباح", "كتب الطالب الدرس", "العلم نور",
          "يعيش الناس في المدن الكبيرة قرب البحر ويعملون في التجارة")


def alike(texts):
    """Texts cut to the shortest of them: these models know no padding."""
    return [text[:min(map(len, texts))] for text in texts]


def tashkeel_bilstm(runs, data, quick):
    letters = " .,،؛:؟!()-\"'\n"
    ids = {letter: 4 + i for i, letter in enumerate("ءآأؤإئابةتثجحخدذرزسشصضطظعغـفقكلمنهوي" + letters)}
    for texts in some([ARABIC[:3], ARABIC[:1], ARABIC[3:4], ARABIC[4:]], quick):
        x = np.array([[ids.get(letter, 1) for letter in text] for text in alike(texts)], np.int64)
        outputs = runs[0]({"input_ids": x})
        yield Answer("x".join(map(str, x.shape)), outputs,
                     "marks " + " ".join(map(str, first(outputs)[0].argmax(-1))))


def tashkeel_ensemble(runs, data, quick):
    ids = json.loads(data["vocabulary"].read_text())["char_to_idx"]
    for texts in some([ARABIC[:3], ARABIC[:1], ARABIC[3:4], ARABIC[4:]], quick):
        bare = ["".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
                for text in texts]
        x = np.array([[ids.get(letter, 1) for letter in text] for text in alike(bare)], np.int64)
        outputs = runs[0]({"input": x})
        yield Answer("x".join(map(str, x.shape)), outputs, "marks " + " ".join(map(str, first(outputs)[0])))


NAMES = ("محمد", "فاطمة", "عبدالرحمن", "خالد", "الحسيني")


def romanizer(runs, data, quick):
    """Whole words, letter by letter, the best one each time, until every row has ended."""
    tokens = json.loads(data["vocabulary"].read_text())["tokens"]
    index = {token: i for i, token in enumerate(tokens)}
    for names, country in some([(NAMES[:3], "<EG>"), (NAMES[3:4], "<LB>"), (NAMES, "<SA>")], quick):
        source = [[index[country], index["<ROLE_GIVEN>"], *(index[c] for c in name), index["<EOS>"]]
                  for name in names]
        length = max(map(len, source))
        src = np.array([row + [0] * (length - len(row)) for row in source], np.int64)
        encoded = runs[0]({"src": src, "src_mask": src == 0})
        if not (encoded["src_mask_out"] == (src == 0)).all():
            encoded = runs[0]({"src": src, "src_mask": src != 0})
        yield Answer(f"encoder {len(names)}x{length}", encoded)
        memory, mask, hidden = (encoded[key] for key in ("memory_out", "src_mask_out", "hidden_out"))
        prefix = np.full((len(names), 1), index["<BOS>"], np.int64)
        ended = np.zeros(len(names), bool)
        for step in range(32):
            outputs = runs[1]({"prefix": prefix, "memory": memory, "src_mask": mask, "hidden": hidden})
            hidden = outputs["hidden_out"]
            best = np.where(ended, 0, outputs["logprobs"].argmax(-1))
            prefix = np.concatenate([prefix, best[:, None]], 1)
            ended |= best == index["<EOS>"]
            words = ["".join(tokens[t] for t in row[1:] if t > 2) for row in prefix]
            yield Answer(f"decoder {len(names)} step {step}", outputs, " ".join(words))
            if ended.all():
                break


def wordpieces(text, vocabulary):
    """A sentence as ids: lower case, words and signs apart, the longest known pieces first."""
    apart = "".join(c if c.isalnum() else f" {c} " for c in text.lower()).split()
    ids = [vocabulary["[CLS]"]]
    for word in apart:
        at = 0
        while at < len(word):
            for end in range(len(word), at, -1):
                piece = ("##" if at else "") + word[at:end]
                if piece in vocabulary:
                    ids.append(vocabulary[piece])
                    break
            at = end
    return ids + [vocabulary["[SEP]"]]


def sentences(runs, data, quick):
    """Batches with padding; the mean over the tokens says which sentences are near."""
    words = data["vocabulary"].read_text().split("\n")
    vocabulary = {word: i for i, word in enumerate(words)}
    groups = [drawn.SENTENCES[:3], drawn.SENTENCES[:1], drawn.SENTENCES[6:], drawn.SENTENCES[1:]]
    for texts in some(groups, quick):
        tokens = [wordpieces(text, vocabulary) for text in texts]
        length = max(map(len, tokens))
        ids, mask = np.zeros((2, len(tokens), length), np.int64)
        for row, row_tokens in enumerate(tokens):
            ids[row, :len(row_tokens)], mask[row, :len(row_tokens)] = row_tokens, 1
        outputs = runs[0]({"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)})
        mean = (first(outputs) * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        mean /= np.linalg.norm(mean, axis=1, keepdims=True)
        near = mean[0] @ mean[1:].T
        yield Answer(f"{len(tokens)}x{length}", outputs,
                     "near the first: " + " ".join(f"{value:.3f}" for value in near) if len(tokens) > 1 else "")


# ---- sound and waves ----


def voice(rates, batches=(3, 1)):
    """Chunks of 512 samples (256 at 8 kHz) with 64 (32) before them; state goes from call to call. Without
    `rates` the model does not ask for one."""
    def play(runs, data, quick):
        for rate in some(rates or (16000,), quick):
            for batch in some(batches, quick):
                chunk, before = 512 * rate // 16000, 64 * rate // 16000
                sound = np.stack([drawn.speech(2 if quick else 3, rate, seed) for seed in range(batch)])
                sound[:, :4 * chunk] *= 0.01
                state, context = np.zeros((2, batch, 128), np.float32), np.zeros((batch, before), np.float32)
                for step in range(sound.shape[1] // chunk):
                    part = np.concatenate([context, sound[:, step * chunk:(step + 1) * chunk]], 1)
                    feeds = {"input": part, "state": state}
                    if rates:
                        feeds["sr"] = np.array(rate, np.int64)
                    outputs = runs[0](feeds)
                    state, context = outputs["stateN"], part[:, -before:]
                    odds = " ".join(f"{value:.1f}" for value in outputs["output"][:, 0])
                    yield Answer(f"{rate // 1000} kHz {batch} step {step}", outputs, f"speech {odds}")
    return play


def voice_before(runs, data, quick):
    """The interface of version 4: chunks alone, hidden and cell state apart."""
    for rate, batch in some([(16000, 3), (16000, 1), (8000, 3)], quick):
        chunk = 512 * rate // 16000
        sound = np.stack([drawn.speech(2, rate, seed) for seed in range(batch)])
        sound[:, :4 * chunk] *= 0.01
        h = c = np.zeros((2, batch, 64), np.float32)
        for step in range(sound.shape[1] // chunk):
            outputs = runs[0]({"input": np.ascontiguousarray(sound[:, step * chunk:(step + 1) * chunk]),
                               "sr": np.array(rate, np.int64), "h": h, "c": c})
            h, c = outputs["hn"], outputs["cn"]
            odds = " ".join(f"{value:.1f}" for value in outputs["output"][:, 0])
            yield Answer(f"{rate // 1000} kHz {batch} step {step}", outputs, f"speech {odds}")


def voice_sequence(runs, data, quick):
    for seconds in some([2, 1, 4], quick):
        sound = drawn.speech(seconds, 16000, seconds)
        sound[:2048] *= 0.01
        count = len(sound) // 512
        padded = np.concatenate([np.zeros(64, np.float32), sound])
        chunks = np.stack([padded[i * 512:i * 512 + 576] for i in range(count)])
        h = c = np.zeros((1, 1, 128), np.float32)
        for part in np.array_split(chunks, 2):
            outputs = runs[0]({"input": part, "h": h, "c": c})
            h, c = outputs["hn"], outputs["cn"]
            yield Answer(f"{len(part)}x576", outputs,
                         f"speech in {int((outputs['speech_probs'] > 0.5).sum())} of {len(part)}")


def wake_sound(seconds, seed=0):
    return drawn.speech(seconds, 16000, seed) * np.float32(20000)


def melspectrogram(runs, data, quick):
    for batch, samples in some([(3, 16000), (1, 1280), (1, 12400), (1, 32000)], quick):
        sound = np.stack([wake_sound(2, seed)[:samples] for seed in range(batch)])
        outputs = runs[0]({"input": sound})
        yield Answer(f"{batch}x{samples}", outputs, "frames " + "x".join(map(str, first(outputs).shape)))


def mel_windows(run, sound):
    """Windows of 76 frames, each 8 further on."""
    frames = first(run({"input": sound[None]})).reshape(-1, 32) / 10 + 2
    windows = [frames[i:i + 76] for i in range(0, len(frames) - 75, 8)]
    return np.stack(windows)[..., None].astype(np.float32)


def wake_embedding(runs, data, quick):
    for batch in some([3, 1, 16], quick):
        windows = mel_windows(runs[0], wake_sound(3, batch))[:batch]
        yield Answer(f"{len(windows)}x76x32x1", runs[1]({"input_1": windows}))


def wake_word(runs, data, quick):
    """The whole chain: sound, mel spectrogram, embeddings, odds of the wake word over time. In these sounds
    something is nearly heard; in most, odds are as good as nothing: one in 10,000 is the least that counts, as
    onnxruntime's sigmoid of AVX2 is 1e-7 apart from the true one, which is 4 % of the least here."""
    for seed in some([8, 28, 37], quick):
        embeddings = first(runs[1]({"input_1": mel_windows(runs[0], wake_sound(4, seed))})).reshape(-1, 96)
        odds = [first(runs[2]({"x.1": embeddings[None, at:at + 16]})) for at in range(len(embeddings) - 15)]
        odds = np.maximum(np.concatenate(odds), np.float32(1e-4))
        yield Answer(f"{len(odds)} windows of sound {seed}", {"odds": odds}, f"at most {odds.max():.2f}")


def standard(x, axis=-1):
    return (x - x.mean(axis, keepdims=True)) / np.maximum(x.std(axis, keepdims=True), 1e-9)


def spectrogram(signal, rate):
    """Power of one second each half second, 0-99 Hz, each bin standardized over time."""
    hop = rate // 2
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(rate) / rate)
    starts = range(0, len(signal) - rate + 1, hop)
    frames = np.stack([signal[i:i + rate] - signal[i:i + rate].mean() for i in starts])
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    return standard(power[:, :100].T).astype(np.float32)


def seizure(runs, data, quick):
    for batch, seconds in some([(3, 60), (1, 60), (1, 25), (1, 150)], quick):
        waves = [drawn.brain_waves(seconds, 200, seed, seizure=seed % 2 == 0) for seed in range(batch)]
        outputs = runs[0]({"x": np.stack([spectrogram(wave, 200) for wave in waves])})
        kinds = np.bincount(outputs["probs"].argmax(-1).reshape(-1), minlength=4)
        yield Answer(f"{batch}x100x{2 * seconds - 1}", outputs, "classes " + " ".join(map(str, kinds)))


def scalogram(signal, rate=250):
    """Magnitudes of 15 bands between 24 and 12 Hz: each band's part of the spectrum, as an analytic signal."""
    count = len(signal)
    spectrum, bins = np.fft.fft(signal), np.fft.fftfreq(count, 1 / rate)
    rows = []
    for scale in np.geomspace(135, 270, 15):
        centre, half = 13 * rate / scale, 3 * rate / scale
        band = (bins > centre - half) & (bins < centre + half)
        rows.append(np.abs(np.fft.ifft(spectrum * band * 2)))
    return np.stack(rows)


def spindles(runs, data, quick):
    for batch in some([3, 1], quick):
        waves = [drawn.brain_waves(30, 250, seed, spindles=seed != 1) for seed in range(batch)]
        outputs = runs[0]({"raw_signal": standard(np.stack(waves))[:, None].astype(np.float32),
                           "spectrogram": standard(np.stack([scalogram(w) for w in waves])).astype(np.float32)})
        found = (1 / (1 + np.exp(-outputs["detection"][..., 0])) > 0.5).sum(1)
        yield Answer(f"{batch}x7500", outputs, "spindles " + " ".join(map(str, found)))


# ---- rows ----


def iris(runs, data, quick):
    for rows in some([[[0, 0], [5.1, 0.1], [5.8, 2.7]], [[0.2, 0.1], [7.1, 0.3], [6.3, 2.5]]], quick):
        outputs = runs[0]({"float_input": np.array(rows, np.float32)})
        yield Answer("3x2", outputs, "classes " + " ".join(map(str, outputs["label"])))


def surfaces(runs, data, quick):
    """Parameters of a search: choices, folds, numbers of neighbours or trees."""
    for batch in some([3, 1, 50], quick):
        random = drawn.rng(batch)
        x = np.stack([random.integers(1, 120, batch), random.integers(0, 4, batch), random.integers(0, 10, batch),
                      random.integers(1, 150, batch)], 1).astype(np.float32)
        yield Answer(f"{batch}x4", runs[0]({"input": x}))
