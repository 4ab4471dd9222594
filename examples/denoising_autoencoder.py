"""Three ways back to a large image: a denoising autoencoder with each of them.

The encoder halves noisy digits twice by max pooling. The decoder doubles them again by repeating
pixels (nearest), by bilinear interpolation, or by a learned transposed convolution, each with
convolutions after it. Prints the network's summary and the error that remains of the noise, and
draws clean, noisy and denoised digits.
"""

import argparse
from pathlib import Path

import numpy as np

from fastnn import data, nn, optim
from fastnn.train import Trainer

DECODERS = {
    "nearest": lambda width: nn.Upsample(scale_factor=2),
    "bilinear": lambda width: nn.Upsample(scale_factor=2, mode="bilinear"),
    "transposed": lambda width: nn.ConvTranspose2d(width, width, 2, 2),
}


def autoencoder(upscale, width=32):
    def conv(inputs, outputs):
        return nn.Conv2d(inputs, outputs, 3, padding=1)

    encoder = [conv(1, width), nn.ReLU(), nn.MaxPool2d(2), conv(width, width), nn.ReLU()]
    decoder = [upscale(width), conv(width, width), nn.ReLU(), upscale(width), conv(width, 1)]
    return nn.Sequential(
        {
            "encoder": nn.Sequential(*encoder, nn.MaxPool2d(2)),
            "code": nn.Sequential(conv(width, width), nn.PReLU()),
            "decoder": nn.Sequential(*decoder),
        }
    )


def draw(rows, path):
    from matplotlib.figure import Figure

    columns = len(next(iter(rows.values())))
    figure = Figure(figsize=(0.8 * columns + 1, 0.85 * len(rows)), layout="constrained")
    for line, (name, images) in zip(figure.subplots(len(rows), columns), rows.items(), strict=True):
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
        for axes, image in zip(line, images, strict=True):
            axes.imshow(image[0], cmap="gray_r", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three epochs")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--noise", type=float, default=0.4, help="its standard deviation")
    parser.add_argument("--out", type=Path, default=Path("runs/denoising_autoencoder"))
    options = parser.parse_args()
    epochs = 3 if options.quick else options.epochs
    options.out.mkdir(parents=True, exist_ok=True)

    clean = data.load_digits()[0].astype(np.float32) / 16
    noise = np.random.default_rng(0).standard_normal(clean.shape).astype(np.float32)
    noisy = clean + np.float32(options.noise) * noise
    train, test = (noisy[:1400], clean[:1400]), (noisy[1400:], clean[1400:])
    print(autoencoder(DECODERS["transposed"]).summary((1, 1, 8, 8)), "\n")

    rows = {"clean": clean[1400:1410], "noisy": noisy[1400:1410]}
    print(f"{'noisy':11} mean squared error {np.mean((test[0] - test[1]) ** 2):.4f}")
    for name, upscale in DECODERS.items():
        model = autoencoder(upscale).reset_parameters(0)
        optimizer = optim.Adam(model.parameters(), lr=2e-3)
        trainer = Trainer(model, optimizer, nn.MSELoss(), metrics={})
        run = trainer.fit(train, epochs, validation=test)
        rows[name] = trainer.predict(rows["noisy"])
        seconds = np.mean(run["seconds"])
        print(f"{name:11} mean squared error {run['val_loss'][-1]:.4f}, {seconds:.2f} s an epoch")
    draw(rows, options.out / "digits.png")
    print(options.out / "digits.png")


if __name__ == "__main__":
    main()
