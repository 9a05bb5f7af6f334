"""A serverless handler as the tutorials have it: a pickled scikit-learn model, loaded once."""

import json
import os

import joblib
import numpy as np

model = joblib.load(os.path.join(os.path.dirname(__file__), "model.joblib"))


def lambda_handler(event, context):
    features = np.array(event["features"], dtype=float).reshape(1, -1)
    prediction = model.predict(features)[0]
    probability = model.predict_proba(features)[0][1]
    return {"statusCode": 200,
            "body": json.dumps({"prediction": int(prediction), "probability": float(probability)})}


if __name__ == "__main__":
    with open(os.path.join(os.path.dirname(__file__), "event.json")) as event:
        answer = lambda_handler(json.load(event), None)
    print(json.loads(answer["body"])["probability"])
