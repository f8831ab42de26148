#!/usr/bin/env python3
"""Write metrics.json and metrics.safetensors with Keras: losses of the whole batch, reductions, the metrics that keep several sums, with and
without sample weights, and whether each metric should rise. Confusion matrices and areas under curves are compared with scikit-learn.

    golden-venv/bin/python make_metrics_golden.py

Versions and rules are those of make_golden.py: Keras on TensorFlow; losses in float64, rounded to float32 once. scikit-learn as well.
New cases go to the end of a list.
"""

import inspect
import itertools

import make_golden as mg
import numpy as np
import sklearn.metrics as sk
import tensorflow as tf

keras = mg.keras
rng = np.random.default_rng(71)
N, C = 23, 4


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


normal, other = rng.standard_normal((N, C)) * 2, rng.standard_normal((N, C))
probs, chances = softmax(normal), rng.uniform(0, 1, (N, C))
chances[3] = [0, 1, 0.5, 0.25]
labels, yes_no = rng.integers(0, C, N), rng.integers(0, 2, (N, C))
one_hot = np.eye(C)[labels]
ignored = np.where(np.arange(N) % 5 == 1, -1, labels)
weight = rng.integers(0, 4, N) / 2
ids, others = rng.integers(0, C, (N, 3)), rng.integers(0, C, (N, 3))
out_of_range = np.where(np.arange(N * 3).reshape(N, 3) % 11 == 3, C + 1, others)
maps_t, maps_p = rng.integers(0, 2, (5, 3, 2, 2)), rng.uniform(0, 1, (5, 3, 2, 2))
vectors = normal / np.linalg.norm(normal, axis=-1, keepdims=True)
alone = np.arange(N) % 7
alone[0] = 9
sorted_ids = np.argsort(-normal, -1)
numbers = normal * 0.5 + other * 0.3

LOSSES = (
    ("categorical_focal", "CategoricalFocalCrossentropy", {}, one_hot, probs),
    ("categorical_focal_unscaled", "CategoricalFocalCrossentropy", {"alpha": 0.6, "gamma": 1.3}, one_hot, chances + 0.01),
    ("categorical_focal_smooth", "CategoricalFocalCrossentropy", {"label_smoothing": 0.2}, one_hot, probs),
    ("categorical_focal_logits", "CategoricalFocalCrossentropy", {"from_logits": True, "label_smoothing": 0.1, "gamma": 3.0}, one_hot, normal),
    ("generalized", "CategoricalGeneralizedCrossEntropy", {}, labels, probs),
    ("generalized_q", "CategoricalGeneralizedCrossEntropy", {"q": 0.9}, labels, probs),
    ("dice", "Dice", {}, maps_t, maps_p),
    ("dice_images", "Dice", {"axis": (1, 2, 3)}, maps_t, maps_p),
    ("dice_channels", "Dice", {"axis": (1, 2)}, maps_t, maps_p),
    ("dice_rows", "Dice", {"axis": -1}, maps_t, maps_p),
    ("dice_batch", "Dice", {"axis": 0}, maps_t, maps_p),
    ("dice_batch_channels", "Dice", {"axis": (0, 1, 2)}, maps_t, maps_p),
    ("dice_sum", "Dice", {"reduction": "sum"}, maps_t, maps_p),
    ("dice_channels_sum", "Dice", {"reduction": "sum", "axis": (0, 1, 2)}, maps_t, maps_p),
    ("dice_mean_weight", "Dice", {"reduction": "mean_with_sample_weight"}, maps_t, maps_p),
    ("tversky", "Tversky", {}, maps_t, maps_p),
    ("tversky_weights", "Tversky", {"alpha": 0.2, "beta": 0.7}, maps_t, maps_p),
    ("tversky_images", "Tversky", {"alpha": 0.2, "beta": 0.7, "axis": (1, 2, 3)}, maps_t, maps_p),
    ("circle", "Circle", {}, alone, vectors),
    ("circle_soft", "Circle", {"gamma": 3.0, "margin": 0.25}, alone, vectors),
    ("circle_diagonal", "Circle", {"gamma": 3.0, "remove_diagonal": False}, alone, vectors * 0.9),
    ("circle_sum", "Circle", {"gamma": 3.0, "reduction": "sum"}, alone, vectors),
    ("circle_mean_weight", "Circle", {"gamma": 3.0, "reduction": "mean_with_sample_weight"}, alone, vectors),
    ("ignore_sum", "SparseCategoricalCrossentropy", {"ignore_class": -1, "reduction": "sum"}, ignored, probs),
    ("ignore_mean_weight", "SparseCategoricalCrossentropy", {"ignore_class": -1, "reduction": "mean_with_sample_weight"}, ignored, probs),
    ("ignore_mean", "SparseCategoricalCrossentropy", {"ignore_class": -1, "reduction": "mean"}, ignored, probs),
    ("huber_mean_weight", "Huber", {"reduction": "mean_with_sample_weight"}, other, normal),
    ("maps_sum", "MeanAbsoluteError", {"reduction": "sum"}, maps_t, maps_p),
    ("maps_mean_weight", "BinaryCrossentropy", {"reduction": "mean_with_sample_weight"}, maps_t, maps_p),
)
# Values of another shape than the weights of images.
UNWEIGHTED = {"dice_batch", "dice_batch_channels", "dice_channels_sum"}

lists = {"thresholds": [0.2, 0.45, 0.7]}
METRICS = (
    ("Accuracy", {}, ids, others),
    ("TruePositives", {}, yes_no, chances), ("TruePositives", {"thresholds": 0.3}, yes_no, chances), ("TruePositives", lists, yes_no, chances),
    ("FalsePositives", {}, yes_no, chances), ("FalsePositives", lists, yes_no, chances),
    ("TrueNegatives", {}, yes_no, chances), ("TrueNegatives", lists, yes_no, chances),
    ("FalseNegatives", {}, yes_no, chances), ("FalseNegatives", lists, yes_no, chances),
    ("FalseNegatives", {"thresholds": [0.0, 0.5, 1.0]}, yes_no, chances),
    ("Precision", {}, yes_no, chances), ("Precision", lists, yes_no, chances), ("Precision", {"thresholds": [0.0, 0.25, 0.5, 0.75, 1.0]}, yes_no, chances),
    ("Precision", {"top_k": 2, "thresholds": [0.3, 0.6]}, yes_no, chances), ("Precision", {"class_id": 2, "thresholds": [0.3, 0.6]}, yes_no, chances),
    ("Recall", {}, yes_no, chances), ("Recall", lists, yes_no, chances), ("Recall", {"top_k": 3}, yes_no, chances),
    ("SensitivityAtSpecificity", {"specificity": 0.5}, yes_no, chances),
    ("SensitivityAtSpecificity", {"specificity": 0.7, "num_thresholds": 5, "class_id": 1}, yes_no, chances),
    ("SensitivityAtSpecificity", {"specificity": 0.4, "num_thresholds": 1}, yes_no, chances),
    ("SpecificityAtSensitivity", {"sensitivity": 0.6}, yes_no, chances),
    ("SpecificityAtSensitivity", {"sensitivity": 0.9, "num_thresholds": 11}, yes_no, chances),
    ("PrecisionAtRecall", {"recall": 0.6}, yes_no, chances), ("PrecisionAtRecall", {"recall": 0.3, "num_thresholds": 7, "class_id": 0}, yes_no, chances),
    ("RecallAtPrecision", {"precision": 0.5}, yes_no, chances), ("RecallAtPrecision", {"precision": 1.0}, yes_no, chances),
    *(("AUC", {"curve": curve, "summation_method": method, **more}, yes_no, chances)
      for curve, method, more in itertools.product(("ROC", "PR", "PRGAIN"), ("interpolation", "minoring", "majoring"),
                                                   ({}, {"num_thresholds": 6}, {"thresholds": [0.15, 0.5, 0.9]}))),
    ("AUC", {"multi_label": True}, yes_no, chances), ("AUC", {"multi_label": True, "curve": "PR", "num_labels": C}, yes_no, chances),
    ("AUC", {"multi_label": True, "label_weights": [1.0, 0.5, 0.0, 2.0]}, yes_no, chances),
    ("AUC", {"label_weights": [1.0, 0.5, 0.0, 2.0], "curve": "PR"}, yes_no, chances),
    ("AUC", {"from_logits": True}, yes_no, normal), ("AUC", {"num_thresholds": 2}, yes_no, chances),
    ("F1Score", {}, one_hot, probs), ("F1Score", {"average": "micro"}, one_hot, probs), ("F1Score", {"average": "macro"}, one_hot, probs),
    ("F1Score", {"average": "weighted"}, one_hot, probs), ("F1Score", {"threshold": 0.4}, yes_no, chances),
    ("FBetaScore", {"beta": 2.0}, one_hot, probs), ("FBetaScore", {"beta": 0.5, "average": "weighted", "threshold": 0.6}, yes_no, chances),
    ("FBetaScore", {"beta": 2.0, "average": "micro", "threshold": 0.6}, yes_no, chances),
    ("IoU", {"num_classes": C, "target_class_ids": [0, 2]}, ids, others), ("IoU", {"num_classes": C, "target_class_ids": [1], "ignore_class": 0}, ids, out_of_range),
    ("IoU", {"num_classes": C, "target_class_ids": [0, 3], "sparse_y_pred": False}, labels, probs),
    ("IoU", {"num_classes": C, "target_class_ids": [0, 3], "sparse_y_pred": False, "ignore_class": -1}, ignored, probs),
    ("IoU", {"num_classes": C, "target_class_ids": [1, 3], "sparse_y_true": False, "sparse_y_pred": False}, one_hot, probs),
    ("BinaryIoU", {}, yes_no, chances), ("BinaryIoU", {"target_class_ids": [1], "threshold": 0.25}, yes_no, chances),
    ("MeanIoU", {"num_classes": C}, ids, others), ("MeanIoU", {"num_classes": C + 3}, ids, others),
    ("MeanIoU", {"num_classes": C, "sparse_y_pred": False}, labels, probs),
    ("OneHotIoU", {"num_classes": C, "target_class_ids": [0, 1]}, one_hot, probs), ("OneHotMeanIoU", {"num_classes": C, "ignore_class": 2}, one_hot, probs),
    ("R2Score", {}, normal, numbers), ("R2Score", {"class_aggregation": "variance_weighted_average"}, normal, numbers),
    ("R2Score", {"class_aggregation": None}, normal, numbers), ("R2Score", {"num_regressors": 3}, normal, numbers),
    ("PearsonCorrelation", {}, normal, numbers), ("ConcordanceCorrelation", {}, normal, numbers),
    ("SparseTopKCategoricalAccuracy", {"k": 2, "from_sorted_ids": True}, labels, sorted_ids),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, labels, probs),
    ("SparseCategoricalCrossentropy", {"ignore_class": -1, "from_logits": True}, ignored, normal),
    ("MeanSquaredError", {}, normal, numbers), ("CosineSimilarity", {}, normal, numbers), ("RootMeanSquaredError", {}, normal, numbers),
    ("BinaryAccuracy", {}, yes_no, chances), ("CategoricalAccuracy", {}, one_hot, probs),
)
# Keras takes these weights another way: of whole numbers (areas), or squared differences of elements.
INTEGER_WEIGHTS = {"IoU", "BinaryIoU", "MeanIoU", "OneHotIoU", "OneHotMeanIoU"}


def number(array):
    array = np.asarray(array)
    return array.astype(np.int32 if array.ndim == 1 else np.float32)


def make_losses(tensors):
    cases = []
    for name, cls, config, y_true, y_pred in LOSSES:
        weights = (None,) if name in UNWEIGHTED else (None, weight[: len(y_true)].astype(np.float32))
        for w in weights:
            case = name + ("" if w is None else "_weighted")
            y_true32, y_pred32 = number(y_true), y_pred.astype(np.float32)
            pred = tf.constant(y_pred32.astype(np.float64))
            loss = getattr(keras.losses, cls)(**config, dtype="float64")
            rank = 1 if cls in ("Dice", "Tversky") and config.get("axis") in (None, (1, 2, 3)) else y_pred.ndim - 1
            rank = 2 if config.get("axis") == (1, 2) else rank
            sample_weight = None if w is None else w.astype(np.float64).reshape((-1,) + (1,) * (rank - 1))
            if w is not None and config.get("reduction") == "mean_with_sample_weight" and rank > 1:  # Keras divides by the weights that it is given
                sample_weight = np.broadcast_to(sample_weight, y_pred.shape[:-1])
            with tf.GradientTape() as tape:
                tape.watch(pred)
                value = loss(y_true32 if y_true32.ndim == 1 else y_true32.astype(np.float64), pred, sample_weight=sample_weight)
            tensors |= {f"{case}/y_true": y_true32, f"{case}/y_pred": y_pred32, f"{case}/value": value.numpy(),
                        f"{case}/grad": tape.gradient(value, pred).numpy()}
            if w is not None:
                tensors[f"{case}/sample_weight"] = w
            cases.append({"name": case, "class_name": cls, "config": loss.get_config() | config | {"dtype": "float32"}, "weighted": w is not None})
    return cases


def check_with_sklearn(cls, config, y_true, y_pred, w, result):
    """Where scikit-learn has the metric."""
    rows = lambda x: np.asarray(x).reshape(len(y_true), -1)
    wanted = None
    if cls == "AUC" and config.get("num_thresholds", 200) == 200 and not {"thresholds", "label_weights", "multi_label"} & set(config):
        spread = None if w is None else np.repeat(w, C)
        if config.get("curve", "ROC") == "ROC" and config.get("summation_method", "interpolation") == "interpolation":
            wanted, tolerance = sk.roc_auc_score(rows(y_true).ravel(), rows(y_pred).ravel(), sample_weight=spread), 0.02
    elif cls in ("F1Score", "FBetaScore") and config.get("threshold") is None:
        wanted = sk.fbeta_score(np.argmax(y_true, -1), np.argmax(y_pred, -1), beta=config.get("beta", 1.0), average=config.get("average"), sample_weight=w)
        tolerance = 1e-5
    elif cls == "R2Score" and not config.get("num_regressors"):
        multioutput = {None: "raw_values", "variance_weighted_average": "variance_weighted"}.get(config.get("class_aggregation", 0), "uniform_average")
        wanted, tolerance = sk.r2_score(y_true, y_pred, multioutput=multioutput, sample_weight=w), 1e-4
    elif cls == "BinaryIoU" and config == {}:
        both = sk.jaccard_score(rows(y_true).ravel(), rows(y_pred).ravel() >= 0.5, average="macro", sample_weight=None if w is None else np.repeat(w, C))
        wanted, tolerance = both, 1e-5
    elif cls == "Precision" and config == {}:
        wanted = sk.precision_score(rows(y_true).ravel(), rows(y_pred).ravel() > 0.5, sample_weight=None if w is None else np.repeat(w, C))
        tolerance = 1e-5
    if wanted is not None:
        np.testing.assert_allclose(result, wanted, atol=tolerance, err_msg=f"{cls} {config}")
        return 1
    return 0


def make_metrics(tensors):
    cases, compared = [], 0
    for i, (cls, config, y_true, y_pred) in enumerate(METRICS):
        for w in (None, np.round(weight * 2) if cls in INTEGER_WEIGHTS else weight):
            if w is not None and "ignore_class" in config and cls == "SparseCategoricalCrossentropy":
                continue  # Keras leaves ignored rows out where there are weights, and counts them with a loss of 0 where there are none
            name = f"metric{i}" + ("" if w is None else "_weighted")
            metric = getattr(keras.metrics, cls)(**config)
            y_true32, y_pred32 = number(y_true), np.asarray(y_pred).astype(np.float32)
            for part in (slice(0, 9), slice(9, N)):
                part_weight = None if w is None else w[part]
                if cls in INTEGER_WEIGHTS and w is not None:
                    spread = y_pred32[part].shape[1] if (config.get("sparse_y_pred", True) and cls in ("IoU", "MeanIoU")) or cls == "BinaryIoU" else 1
                    part_weight = np.repeat(part_weight.astype(np.int64), spread)
                elif part_weight is not None and cls in ("RootMeanSquaredError", "BinaryAccuracy", "Accuracy"):
                    part_weight = part_weight[:, None]
                metric.update_state(y_true32[part], y_pred32[part], part_weight)
            result = np.float32(metric.result())
            compared += check_with_sklearn(cls, config, y_true32, y_pred32, w, result)
            tensors |= {f"{name}/y_true": y_true32, f"{name}/y_pred": y_pred32, f"{name}/result": np.atleast_1d(result)}
            if w is not None:
                tensors[f"{name}/sample_weight"] = w.astype(np.float32)
            cases.append({"name": name, "class_name": cls, "config": plain(metric.get_config()), "weighted": w is not None, "list": bool(np.ndim(result)),
                          "direction": getattr(metric, "_direction", None)})
    print(f"{compared} results compared with scikit-learn")
    return cases


def plain(config):
    return {key: value.numpy().tolist() if hasattr(value, "numpy") else value for key, value in config.items()}


def make_confusion(tensors):
    """By scikit-learn; two classes that nobody predicts."""
    predictions = rng.integers(0, 3, 40)
    truth = np.where(rng.uniform(size=40) < 0.6, predictions, rng.integers(0, 5, 40))
    classes = list(range(5))
    tensors |= {"confusion/labels": truth.astype(np.int32), "confusion/predictions": predictions.astype(np.int32),
                "confusion/matrix": sk.confusion_matrix(truth, predictions, labels=classes).astype(np.int32)}
    for name, score in (("precision", sk.precision_score), ("recall", sk.recall_score), ("f1_score", sk.f1_score)):
        tensors[f"confusion/{name}"] = score(truth, predictions, labels=classes, average=None, zero_division=0)
    tensors["confusion/accuracy"] = np.array([sk.accuracy_score(truth, predictions)])


def signatures():
    result = {}
    for kind, module, names in (("losses", keras.losses, {case[1] for case in LOSSES}), ("metrics", keras.metrics, {case[0] for case in METRICS})):
        for name in sorted(names):
            parameters = list(inspect.signature(getattr(module, name).__init__).parameters.values())[1:]
            result[f"{kind}.{name}"] = [[p.name, "" if p.default is inspect.Parameter.empty else repr(p.default)] for p in parameters
                                        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return result


def main():
    tensors = {}
    losses, metrics = make_losses(tensors), make_metrics(tensors)
    make_confusion(tensors)
    mg.save("metrics", tensors)
    mg.save_json("metrics.json", {
        "what": "metrics.safetensors: losses as in optim.json; metrics NAME/y_true NAME/y_pred [NAME/sample_weight] NAME/result, one number or, with"
                " \"list\", several; direction: Keras's _direction; confusion/*: by scikit-learn", "losses": losses, "metrics": metrics,
        "signatures": signatures()})


if __name__ == "__main__":
    main()
