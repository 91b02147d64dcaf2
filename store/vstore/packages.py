"""The optional packages: the table of what needs each one, how to get it, and one way to import it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vstore.errors import MissingPackage, ModelError, VstoreError
from vstore.quick_tuple import NamedTuple

DISTRIBUTION = "vstore-index"


class Package(NamedTuple):
    """An optional package.

    module: what is imported.
    extras: the extras of vstore that install it; any one of them does.
    why:    the message where it cannot be imported, without the reason.
    proof:  a name that a whole installation has; an uninstalled twin may leave an empty module behind.
    error:  the class of the error where it is missing.
    alone:  the command that installs it, where no extra can: what it asks for must stay away.
    """

    module: str
    extras: tuple[str, ...]
    why: str
    proof: str = ""
    error: type[VstoreError] = MissingPackage
    alone: str = ""

    @property
    def pip(self) -> str:
        """The command that installs it, with the first of its extras."""
        return self.alone or f"pip install '{DISTRIBUTION}[{self.extras[0]}]'"

    @property
    def fix(self) -> str:
        """The next step, for an error."""
        if len(self.extras) > 1:
            others = " or ".join(f"'{DISTRIBUTION}[{extra}]'" for extra in self.extras[1:])
            return f"install one of: {self.pip} or {others}, never both"
        more = ", then see: vstore doctor" if self.error is ModelError else ""
        return f"install it with: {self.pip}{more}"

    def is_there(self) -> bool:
        """Tell whether it is installed, without a look at whether it works."""
        if self.module in sys.modules:
            return sys.modules[self.module] is not None
        import importlib.util  # a search asks for none

        return importlib.util.find_spec(self.module) is not None

    def missing(self, message: str) -> VstoreError:
        """Make the error that says what is wrong, and how to get the package."""
        return self.error(message, self.fix)

    def load(self) -> Any:
        """Import the package.

        Raises: the package's `error`, whatever the import raised: a broken package raises more than ImportError.
        """
        try:
            module = importlib.import_module(self.module)
            if self.proof:
                getattr(module, self.proof)
        except Exception as err:
            reason = " ".join(str(err).split())[:200]
            raise self.missing(f"{self.why} ({type(err).__name__}: {reason})") from err
        return module


def _for_models(module: str) -> Package:
    return Package(module, ("model",), f"the model needs {module}", error=ModelError)


FAISS = Package("faiss", ("cpu", "gpu"), "faiss cannot be used", proof="IndexScalarQuantizer")
HEIC = Package("pillow_heif", ("heic",), "HEIC pictures need one more package")
TIFF = Package("tifffile", ("tiff",), "TIFF of this kind needs two more packages", proof="TiffFile")
IMAGECODECS = Package("imagecodecs", ("jxl", "tiff"), "pictures of this kind need one more package")
RAW = Package("rawpy", ("raw",), "RAW pictures need one more package", proof="imread")
JXL = Package("pillow_jxl", ("jxl",), "JPEG XL pictures need two more packages", proof="Decoder")
PARQUET = Package("pyarrow.parquet", ("parquet",), "Parquet files need pyarrow")
PYARROW = Package("pyarrow", ("parquet",), "tables of Arrow need pyarrow", proof="Table")
PANDAS = Package("pandas", ("pandas",), "data frames need pandas", proof="DataFrame")
WATCHFILES = Package(
    "watchfiles._rust_notify", ("watch",), "watching folders needs one more package", proof="RustNotify"
)
PAGE = Package("starlette", ("page",), "the page needs two more packages")
TORCH, TRANSFORMERS, PEFT, HUB = map(_for_models, ("torch", "transformers", "peft", "huggingface_hub"))
FTFY = _for_models("ftfy")
SENTENCEPIECE = _for_models("sentencepiece")  # and protobuf: the tokenizer of the first SigLIP
# Without what it asks for: a torchvision of another build than torch breaks the import of every CLIP model.
OPEN_CLIP = _for_models("open_clip")._replace(alone="pip install --no-deps 'open_clip_torch>=3.2' 'timm>=1.0.22'")
TIMM = _for_models("timm")._replace(alone="pip install --no-deps 'timm>=1.0.22'")


def all_of(*packages: Package) -> str:
    """Return the command that installs several packages."""
    return f"pip install '{DISTRIBUTION}[{','.join(package.extras[0] for package in packages)}]'"


def faiss_module() -> Any:
    """Import faiss, with the thread count set on purpose. Raises: MissingPackage."""
    faiss = FAISS.load()
    if sys.platform == "darwin":
        faiss.omp_set_num_threads(1)  # torch and faiss each bring their own libomp there
    return faiss


@contextmanager
def faiss_threads(count: int) -> Iterator[Any]:
    """Let faiss use so many threads of OpenMP. The number is that of the calling thread, which may be a program's."""
    faiss = faiss_module()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1 if sys.platform == "darwin" else count)
    try:
        yield faiss
    finally:
        faiss.omp_set_num_threads(before)
