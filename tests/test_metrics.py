"""Metrics, confusion matrix and class weights, against their formulas written out."""

from functools import partial

import numpy as np
import pytest

from fastnn import data, models, nn, optim, train
from fastnn.train.metrics import Totals

RNG = np.random.default_rng(0)
OUTPUTS = RNG.standard_normal((200, 6)).astype(np.float32)
TARGETS = RNG.choice(5, 200, p=[0.5, 0.2, 0.15, 0.1, 0.05])  # class 5 is only ever predicted


def one_hot(classes, number):
    return np.eye(number, dtype=np.float32)[classes]


@pytest.mark.parametrize("k", [1, 2, 5, 6])
def test_top_k_accuracy(k):
    best = np.argsort(-OUTPUTS, axis=1, kind="stable")[:, :k]
    expected = np.mean([t in row for t, row in zip(TARGETS, best, strict=True)])
    assert train.top_k_accuracy(OUTPUTS, TARGETS, k) == pytest.approx(expected, rel=1e-15)
    assert train.top_k_accuracy(OUTPUTS, one_hot(TARGETS, 6), k) == pytest.approx(expected)
    if k == 1:
        assert expected == train.accuracy(OUTPUTS, TARGETS)


def test_ties_and_numbers_that_are_none_find_no_class():
    flat = np.zeros((6, 3))
    assert train.top_k_accuracy(flat, np.arange(6) % 3, 1) == 1 / 3
    assert train.top_k_accuracy(flat, np.arange(6) % 3, 2) == 2 / 3
    assert train.top_k_accuracy(flat * np.nan, np.arange(6) % 3, 3) == 0


def test_confusion_matrix_and_what_follows_from_it():
    matrix = train.confusion_matrix(OUTPUTS, TARGETS)
    predicted = OUTPUTS.argmax(1)
    for i in range(6):
        for j in range(6):
            assert matrix.counts[i, j] == np.sum((i == TARGETS) & (predicted == j))
    assert matrix.accuracy == train.accuracy(OUTPUTS, TARGETS)
    for i in range(6):
        right = np.sum((i == TARGETS) & (predicted == i))
        taken, there = np.sum(predicted == i), np.sum(i == TARGETS)
        assert matrix.precision[i] == right / taken
        assert matrix.recall[i] == (right / there if there else 0)
        p, r = matrix.precision[i], matrix.recall[i]
        assert matrix.f1[i] == pytest.approx(2 * p * r / (p + r) if p + r else 0, rel=1e-14)
    soft = train.confusion_matrix(OUTPUTS, one_hot(TARGETS, 6))
    np.testing.assert_array_equal(soft.counts, matrix.counts)


def test_metrics_of_a_set_do_not_depend_on_its_batches():
    """A mean of the batches' values would: the set is unbalanced and its last batch short."""
    metrics = {
        "precision": train.Precision(),
        "recall": train.Recall(),
        "f1": train.F1(),
        "accuracy": train.accuracy,
        "top": partial(train.top_k_accuracy, k=2),
    }
    results = []
    for size in (200, 33, 7):
        totals = Totals(metrics)
        for i in range(0, 200, size):
            totals.add(OUTPUTS[i : i + size], TARGETS[i : i + size], 0.0, 1.0)
        assert totals.samples == 200
        results.append(totals.results())
    matrix = train.confusion_matrix(OUTPUTS, TARGETS)
    assert results[0]["f1"] == matrix.f1.mean() and results[0]["recall"] == matrix.recall.mean()
    for other in results[1:]:
        assert other == pytest.approx(results[0], rel=200 * np.finfo(float).eps)


def test_macro_means_are_over_the_classes_that_occur():
    outputs, targets = one_hot([0, 0, 1], 4), np.array([0, 1, 1])
    metrics = Totals({"f1": train.F1(), "precision": train.Precision()})
    metrics.add(outputs, targets, 0.0, 1.0)
    # By hand: class 0 has precision 1/2 and recall 1, class 1 has 1 and 1/2; 2 and 3 are nowhere.
    assert metrics.results() == pytest.approx({"loss": 0, "f1": 2 / 3, "precision": 3 / 4})


def test_class_weights_balance():
    weights = train.class_weights(TARGETS)
    counts = np.bincount(TARGETS)
    np.testing.assert_array_equal(weights, 200 / (5 * counts))
    np.testing.assert_allclose(weights * counts, 40, rtol=2 * np.finfo(float).eps)
    np.testing.assert_array_equal(train.class_weights(one_hot(TARGETS, 5)), weights)
    with pytest.raises(ValueError, match=r"every class must occur in y, got none of \[5\]"):
        train.class_weights(TARGETS, 6)
    with pytest.raises(ValueError, match=r"targets must be in \[0, 3\), got values from 0 to 4"):
        train.class_weights(TARGETS, 3)
    with pytest.raises(ValueError, match="got none of any"):
        train.class_weights(TARGETS[:0])
    with pytest.raises(TypeError, match="y must be integers"):
        train.class_weights(OUTPUTS[:, 0])


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_evaluation_loss_is_that_of_one_batch(weighted, ignored):
    """Weighted means are over weights: batches of few rare samples count for less."""
    targets = np.where((np.arange(200) % 3 == 0) & ignored, -100, TARGETS)
    weight = np.append(train.class_weights(TARGETS), 1) if weighted else None
    loss = nn.CrossEntropyLoss(weight=weight)
    model = models.mlp([6, 6])
    trainer = train.Trainer(model, optim.SGD(model.parameters()), loss, metrics={})
    whole = loss(model(OUTPUTS), targets)[0]
    for size in (200, 64, 9):
        batches = data.Loader(OUTPUTS, targets, size)
        # Sums of 200 float32 terms in other orders.
        assert trainer.evaluate(batches)["loss"] == pytest.approx(whole, rel=200 * 2**-24)


@pytest.mark.parametrize(
    ("targets", "error", "message"),
    [
        (TARGETS[:, None], ValueError, r"targets must be of shape \(200,\) or \(200, 6\), got"),
        (TARGETS.astype(float), TypeError, "targets of one axis must be integers, got float64"),
    ],
)
@pytest.mark.parametrize("name", ["accuracy", "top_k_accuracy", "confusion_matrix"])
def test_bad_targets(name, targets, error, message):
    metric = getattr(train, name)
    with pytest.raises(error, match=f"{name}: {message}"):
        metric(OUTPUTS, targets)


def test_bad_outputs_classes_and_k():
    with pytest.raises(ValueError, match=r"outputs must be of shape \(N, C\), got \(200,\)"):
        train.confusion_matrix(TARGETS, TARGETS)  # classes where scores are meant
    for metric in (train.confusion_matrix, train.top_k_accuracy):
        with pytest.raises(ValueError, match=r"targets must be in \[0, 6\), got .* 1 to 6"):
            metric(OUTPUTS, TARGETS % 2 * 5 + 1)
    with pytest.raises(ValueError, match=r"k must be in \[1, 6\], the number of classes, got 7"):
        train.top_k_accuracy(OUTPUTS, TARGETS, 7)


@pytest.mark.parametrize(
    ("metrics", "error", "message"),
    [
        (["accuracy"], TypeError, "metrics must be a mapping such as"),
        ({"accuracy": "accuracy"}, TypeError, r"metrics\['accuracy'\] must be a function"),
        ({"f1": train.F1}, TypeError, r"metrics\['f1'\] must be .* an instance of Metric"),
        ({"loss": train.accuracy}, ValueError, "metrics must not be named"),
        ({"val_f1": train.F1()}, ValueError, "metrics must not be named"),
    ],
)
def test_bad_metrics_are_refused_at_once(metrics, error, message):
    model = models.mlp([6, 6])
    with pytest.raises(error, match=f"Trainer: {message}"):
        train.Trainer(model, optim.SGD(model.parameters()), metrics=metrics)


def test_a_failing_metric_is_named():
    model = models.mlp([6, 6])
    metrics = {"each": lambda outputs, targets: outputs.argmax(1) == targets}
    trainer = train.Trainer(model, optim.SGD(model.parameters()), metrics=metrics)
    with pytest.raises(TypeError, match=r"must return a number, got ndarray of shape") as caught:
        trainer.fit((OUTPUTS, TARGETS), 1)
    assert caught.value.__notes__ == [
        "raised by metric 'each' for outputs float32 (32, 6) and targets int64 (32,)"
    ]
