"""The published policies and the random versions of single operations."""

import inspect
from functools import partial

import numpy as np
import pytest

from fastnn.data import (
    AutoAugment,
    Compose,
    RandAugment,
    TrivialAugmentWide,
    autoaugment,
    color,
    geometry,
    policies,
    policy_ops,
)

pytest.importorskip("PIL")
CLASSES = [
    *(partial(AutoAugment, name) for name in policies.POLICIES),
    RandAugment,
    TrivialAugmentWide,
]


def picture(shape=(32, 32, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def recorded(monkeypatch):
    """What the policies apply, as (name, amount), instead of applying it."""
    calls = []

    def record(name, image, amount=0.0, **warp):
        calls.append((name, float(amount)))
        return image

    monkeypatch.setattr(autoaugment, "apply", record)
    return calls


@pytest.mark.parametrize(
    "name, operations, magnitudes, probabilities",
    [("cifar10", 13, 187, 26.5), ("svhn", 10, 143, 32.9), ("imagenet", 10, 159, 31.0)],
)
def test_tables_are_complete(name, operations, magnitudes, probabilities):
    """25 sub-policies of two steps; the sums are those of torchvision's tables."""
    table = policies.POLICIES[name]
    steps = [step for sub_policy in table for step in sub_policy]
    assert len(table) == 25 and all(len(sub_policy) == 2 for sub_policy in table)
    for operation, p, magnitude in steps:
        assert (operation in policies.NO_AMOUNT) == (magnitude is None)
        assert round(10 * p) == pytest.approx(10 * p) and 0 <= p <= 1
        assert magnitude is None or 0 <= magnitude <= 9
    assert len({step[0] for step in steps}) == operations
    assert sum(step[2] or 0 for step in steps) == magnitudes
    assert sum(step[1] for step in steps) == pytest.approx(probabilities)


def test_ranges():
    assert len(policies.CANDIDATES) == 14 and "Invert" not in policies.CANDIDATES
    assert policies.RANGES.keys() == policies.WIDE_RANGES.keys()
    for narrow, wide in zip(policies.RANGES.values(), policies.WIDE_RANGES.values(), strict=True):
        assert narrow.signed == wide.signed and narrow.low == wide.low
        assert abs(wide.high - wide.low) >= abs(narrow.high - narrow.low) or narrow.of_size


def test_every_operation_does_what_its_name_says():
    image = picture((32, 24, 3))
    nearest = {"interpolation": "nearest", "fill": 9}
    expected = {
        "ShearX": geometry.shear_x(image, 0.3, center=(0, 0), **nearest),
        "ShearY": geometry.shear_y(image, 0.3, center=(0, 0), **nearest),
        "TranslateX": geometry.translate_x(image, 5, **nearest),
        "TranslateY": geometry.translate_y(image, 5, **nearest),
        "Rotate": geometry.rotate(image, 30, **nearest),
        "Brightness": color.brightness(image, 1.9),
        "Color": color.saturation(image, 1.9),
        "Contrast": color.contrast(image, 1.9),
        "Sharpness": color.sharpness(image, 1.9),
        "Posterize": color.posterize(image, 4),
        "Solarize": color.solarize(image, 100),
        "AutoContrast": color.autocontrast(image),
        "Equalize": color.equalize(image),
        "Invert": 255 - image,
        "Identity": image,
    }
    amounts = {"ShearX": 0.3, "ShearY": 0.3, "TranslateX": 5.9, "TranslateY": 5.9, "Rotate": 30}
    amounts |= {"Posterize": 4.0, "Solarize": 100}
    assert expected.keys() == {*policies.CANDIDATES, "Invert"}
    for name, result in expected.items():
        got = policy_ops.apply(name, image, amounts.get(name, 0.9), **nearest)
        np.testing.assert_array_equal(got, result, name)
    with pytest.raises(ValueError, match="got 'Cutout'"):
        policy_ops.apply("Cutout", image)


@pytest.mark.parametrize("backend", ["pillow", "opencv"])
@pytest.mark.parametrize("make", CLASSES)
def test_any_image_and_the_same_generator_give_the_same_image(make, backend):
    if backend == "opencv":
        pytest.importorskip("cv2")
    policy = make(backend=backend)
    for shape in [(1, 1, 1), (1, 1, 3), (1, 9, 3), (9, 1, 1), (32, 20, 3)]:
        image = picture(shape)
        before = image.copy()
        results = [
            [policy(image, np.random.default_rng([3, i])) for i in range(20)] for _ in range(2)
        ]
        np.testing.assert_array_equal(results[0], results[1])
        np.testing.assert_array_equal(image, before)
        assert all(r.shape == shape and r.dtype == np.uint8 for r in results[0])
        if shape == (32, 20, 3):
            assert len({r.tobytes() for r in results[0]}) > 5


def test_autoaugment_applies_each_step_with_its_probability(recorded):
    draws, image, rng = 20_000, picture((40, 80, 3)), np.random.default_rng(0)
    policy = AutoAugment([(("Rotate", 0.7, 2), ("TranslateX", 0.3, 9)), (("Invert", 0.0, None),)])
    for _ in range(draws):
        policy(image, rng)
    names = [name for name, _ in recorded]
    for name, p in {"Rotate": 0.35, "TranslateX": 0.15, "Invert": 0.0}.items():
        spread = 5 * np.sqrt(p * (1 - p) / draws)
        assert abs(names.count(name) / draws - p) <= spread
    amounts = {name: sorted({a for n, a in recorded if n == name}) for name in set(names)}
    assert amounts["Rotate"] == pytest.approx([-30 * 2 / 9, 30 * 2 / 9])
    assert amounts["TranslateX"] == pytest.approx([-80 * 150 / 331, 80 * 150 / 331])
    negative = np.mean([a < 0 for n, a in recorded if n == "Rotate"])
    assert abs(negative - 0.5) <= 5 * 0.5 / np.sqrt(names.count("Rotate"))


def test_autoaugment_draws_every_sub_policy_alike(recorded):
    draws, image, rng = 10_000, picture(), np.random.default_rng(0)
    table = [((name, 1.0, 3),) for name in policies.RANGES]
    policy = AutoAugment(table)
    for _ in range(draws):
        policy(image, rng)
    counts = [sum(name == n for n, _ in recorded) for name in policies.RANGES]
    mean = draws / len(table)
    assert max(abs(np.array(counts) - mean)) <= 5 * np.sqrt(mean)


def test_magnitudes_of_randaugment(recorded):
    image, rng = picture((20, 40, 3)), np.random.default_rng(0)
    policy = RandAugment(num_ops=3, magnitude=15)
    for _ in range(500):
        policy(image, rng)
    assert len(recorded) == 1500 and {n for n, _ in recorded} == set(policies.CANDIDATES)
    half = {"ShearX": 0.15, "Rotate": 15, "Color": 0.45, "Posterize": 6, "Solarize": 127.5}
    half |= {"TranslateX": 20 * 150 / 331, "TranslateY": 10 * 150 / 331, "Equalize": 0}
    for name, amount in half.items():
        assert [abs(a) for n, a in recorded if n == name] == pytest.approx(
            [amount] * sum(n == name for n, _ in recorded)
        )
    assert all(a >= 0 for n, a in recorded if n in ("Posterize", "Solarize"))


def test_magnitudes_of_trivialaugment(recorded):
    image, rng = picture(), np.random.default_rng(0)
    policy = TrivialAugmentWide()
    for _ in range(20_000):
        policy(image, rng)
    assert len(recorded) == 20_000
    counts = [sum(n == name for n, _ in recorded) for name in policies.CANDIDATES]
    assert max(abs(np.array(counts) - 20_000 / 14)) <= 5 * np.sqrt(20_000 / 14)
    largest = {"ShearY": 0.99, "TranslateX": 32, "Rotate": 135, "Contrast": 0.99}
    for name, amount in largest.items():
        amounts = {a for n, a in recorded if n == name}
        assert len(amounts) == 61 and max(amounts) == pytest.approx(amount) == -min(amounts)
    assert {round(a) for n, a in recorded if n == "Posterize"} == set(range(2, 9))


def test_zero_magnitude_leaves_the_image():
    """But for the operations without magnitude, and solarize: 0 is a threshold of 255."""
    image = picture()
    image[image == 255] = 254
    policy = AutoAugment([((name, 1.0, 0),) for name in policies.RANGES])
    for seed in range(50):
        np.testing.assert_array_equal(policy(image, np.random.default_rng(seed)), image)
    with_nothing = RandAugment(num_ops=0)
    assert with_nothing(image, np.random.default_rng(0)) is image


def test_options_reach_the_operations():
    image = np.full((8, 8, 3), 200, np.uint8)
    policy = AutoAugment([(("TranslateX", 1.0, 9),)], fill=(1, 2, 3))
    assert {tuple(p) for p in policy(image, np.random.default_rng(0)).reshape(-1, 3)} == {
        (200, 200, 200),
        (1, 2, 3),
    }


def test_called_with_an_image_and_a_generator():
    """Two positional arguments without default: how ``Compose`` knows that a generator is taken."""
    for make in CLASSES:
        assert list(inspect.signature(make()).parameters) == ["image", "rng"]


@pytest.mark.parametrize(
    "match, call",
    [
        ("cifar10, svhn, imagenet or a seq", lambda: AutoAugment("cifar100")),
        ("must have a sub-policy", lambda: AutoAugment([])),
        (r"got \('Cutout', 0.5, 3\)", lambda: AutoAugment([(("Cutout", 0.5, 3),)])),
        (r"got \('Rotate', 0.5, None\)", lambda: AutoAugment([(("Rotate", 0.5, None),)])),
        (r"got \('Rotate', 0.5, 10\)", lambda: AutoAugment([(("Rotate", 0.5, 10),)])),
        (r"got \('Rotate', 1.5, 1\)", lambda: AutoAugment([(("Rotate", 1.5, 1),)])),
        (r"got \('Invert', 0.5, 1\)", lambda: AutoAugment([(("Invert", 0.5, 1),)])),
        ("num_ops must not be negative", lambda: RandAugment(-1)),
        ("= 30, got 31", lambda: RandAugment(2, 31)),
        ("got -1", lambda: RandAugment(2, -1)),
        ("RandAugment: backend must be", lambda: RandAugment(backend="gpu")),
        ("Wide: interpolation must be", lambda: TrivialAugmentWide(interpolation="cubic")),
    ],
)
def test_bad_policies(match, call):
    with pytest.raises(ValueError, match=match):
        call()


def test_keywords_are_checked_before_the_first_image():
    for make in CLASSES:
        with pytest.raises(TypeError, match="interpolation, fill, backend, got magnitudes"):
            make(magnitudes=3)


def test_they_say_what_they_are():
    own = AutoAugment([(("Rotate", 1.0, 9),)])
    found = [repr(policy) for policy in (AutoAugment("svhn"), own, RandAugment(3, 5))]
    assert found == ["AutoAugment(svhn)", "AutoAugment(1 sub-policies)", "RandAugment(3, 5, 31)"]
    assert repr(TrivialAugmentWide()) == "TrivialAugmentWide()"


@pytest.mark.parametrize("make", CLASSES)
def test_bad_images(make):
    with pytest.raises(TypeError, match="image must be a uint8 array, got float64"):
        make()(picture() / 255, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"got \(32, 32\)"):
        make()(picture()[..., 0], np.random.default_rng(0))


def test_in_compose_an_image_depends_on_seed_epoch_and_index_alone():
    x = np.stack([picture(seed=i).transpose(2, 0, 1) for i in range(12)])
    augment = Compose([AutoAugment("cifar10"), RandAugment(), TrivialAugmentWide()])
    whole = augment(x, seed=4, epoch=2)
    some = augment(x, np.array([7, 0, 3]), seed=4, epoch=2)
    np.testing.assert_array_equal(some, whole[[7, 0, 3]])
    for other in ({"seed": 5, "epoch": 2}, {"seed": 4, "epoch": 3}):
        assert not np.array_equal(augment(x, **other), whole)


def test_callables_of_other_libraries_in_compose():
    """Albumentations takes keywords and returns a dict; torchvision's returns PIL images."""
    image = pytest.importorskip("PIL.Image")

    class Albumentations:
        def __call__(self, *args, force_apply=False, **data):
            if args:
                raise KeyError("You have to pass data to augmentations as named arguments")
            return {"image": 255 - data["image"]}

    class Torchvision:
        def __call__(self, *args, **kwargs):
            return image.fromarray(*args, **kwargs).transpose(image.Transpose.FLIP_LEFT_RIGHT)

    x = np.stack([picture((8, 6, 3), seed).transpose(2, 0, 1) for seed in range(2)])
    found = Compose([Torchvision(), Albumentations()])(x)
    np.testing.assert_allclose(255 * found, 255.0 - x[..., ::-1], rtol=2**-22)
