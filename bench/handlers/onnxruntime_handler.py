"""The same handler with the model as ONNX and ONNX Runtime's Python package."""

import json
import os

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(os.path.join(os.path.dirname(__file__), "model.onnx"),
                                       providers=["CPUExecutionProvider"])


def lambda_handler(event, context):
    features = np.array(event["features"], dtype=np.float32).reshape(1, -1)
    label, probabilities = session.run(None, {"x": features})
    return {"statusCode": 200,
            "body": json.dumps({"prediction": int(label[0]), "probability": float(probabilities[0][1])})}


if __name__ == "__main__":
    with open(os.path.join(os.path.dirname(__file__), "event.json")) as event:
        answer = lambda_handler(json.load(event), None)
    print(json.loads(answer["body"])["probability"])
