"""Files of data sets over https, checked against their published sums. Needs pooch."""

from pathlib import Path


def fetch(url: str, md5: str, folder: Path) -> Path:
    """The file of ``url`` in ``folder``, downloaded unless it is already there.

    Parameters
    ----------
    url : str
    md5 : str
        Published MD5 sum, in hexadecimal. A file that is there with another sum is replaced.
    folder : path
        Made if it does not exist.

    Raises
    ------
    ImportError
        pooch is not installed.
    OSError
        The file cannot be downloaded or written.
    ValueError
        What came has another sum; it is not kept.
    """
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            "download=True needs pooch, which is not installed: pip install 'fastnn[download]'"
        ) from error
    name = url.rsplit("/", 1)[1]
    try:
        return Path(pooch.retrieve(url, f"md5:{md5}", fname=name, path=folder))
    except OSError as error:
        raise OSError(
            f"could not download {url} to {folder} ({error.strerror or type(error).__name__}); "
            "without a connection, put the file there by hand"
        ) from error
    except ValueError as error:
        raise ValueError(f"{url} is not the published file of MD5 {md5}: {error}") from error
