"""The usual service: FastAPI over ONNX Runtime's Python package, one worker of uvicorn."""

import os

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.path.join(os.path.dirname(__file__), "model.onnx"), options,
                                       providers=["CPUExecutionProvider"])
app = FastAPI()


class Request(BaseModel):
    features: list[float]


@app.post("/predict")
async def predict(request: Request):
    features = np.array(request.features, dtype=np.float32).reshape(1, -1)
    label, probabilities = session.run(None, {"x": features})
    return {"prediction": int(label[0]), "probability": float(probabilities[0][1])}
