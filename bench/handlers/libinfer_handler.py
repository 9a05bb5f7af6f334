"""The same handler with the same ONNX file and the Python package libinfer."""

import json
import os

import libinfer

model = libinfer.load(os.path.join(os.path.dirname(__file__), "model.onnx"))


def lambda_handler(event, context):
    probabilities = model.predict_proba([event["features"]])[0]
    prediction = model.predict([event["features"]])[0]
    return {"statusCode": 200,
            "body": json.dumps({"prediction": int(prediction), "probability": float(probabilities[1])})}


if __name__ == "__main__":
    with open(os.path.join(os.path.dirname(__file__), "event.json")) as event:
        answer = lambda_handler(json.load(event), None)
    print(json.loads(answer["body"])["probability"])
