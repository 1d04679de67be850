"""The models the tool knows by name: architecture, θ and official checkpoint.

θ: Sec. 4.2 of the ITAE paper (2.0 for small with registers, 3.0 for all others); small without
registers shows no bimodality, so the paper applies no ITAE to it (Tab. 2).
Checkpoints: Meta's DINOv2 release, Apache-2.0.
"""

from __future__ import annotations

from dataclasses import dataclass

from itae_cluster.core.errors import UsageError
from itae_cluster.model.config import DINOv2Config

__all__ = [
    "AUTO",
    "MINI",
    "MINI_VERSIONS",
    "PREFERRED",
    "VARIANTS",
    "Checkpoint",
    "Variant",
    "by_config",
    "known_name",
    "variant",
]

AUTO = "auto"
"""`--model auto`: `PREFERRED` where its weights can be had, else `MINI`."""

PREFERRED = "vitb14"
MINI = "mini"

MINI_VERSIONS = {
    "5da4f12d11f56a9922f8418d861d5ece8a28a9d6ae52186e94b94c770ecc9fd1": 1,
    "1ac941f2bab8e849550e4995498b3e9f733ca23d238a8da90fc65e264089b70c": 2,
}
"""The versions of `mini` by the SHA-256 of their files; the last one is in the package."""

_BASE_URL = "https://dl.fbaipublicfiles.com/dinov2"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An official checkpoint: where it lies and what it must hash to.

    `size` is in bytes, None where it is not published.
    """

    url: str
    sha256: str
    size: int | None = None

    @property
    def filename(self) -> str:
        """The last part of the URL, which is also the name in torch hub's folder."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Variant:
    """A named model. `theta` None means ITAE is off by default; `checkpoint` None: bundled.

    `hugging_face` and `timm` are the repositories on the Hugging Face hub that hold the same
    weights in the other two layouts.
    """

    name: str
    config: DINOv2Config
    theta: float | None
    checkpoint: Checkpoint | None
    hugging_face: str | None = None
    timm: str | None = None


def _official(
    letter: str, hub: str, config: DINOv2Config, theta: float | None, sha256: str, size: int | None
) -> Variant:
    arch = f"vit{letter}14"
    register_file, register_name, register_hub, register_timm = (
        ("_reg4", "-reg", "with-registers-", "reg4_") if config.registers else ("", "", "", "")
    )
    file = f"dinov2_{arch}{register_file}_pretrain.pth"
    return Variant(
        name=arch + register_name,
        config=config,
        theta=theta,
        checkpoint=Checkpoint(f"{_BASE_URL}/dinov2_{arch}/{file}", sha256, size),
        hugging_face=f"facebook/dinov2-{register_hub}{hub}",
        timm=f"timm/vit_{hub}_patch14_{register_timm}dinov2.lvd142m",
    )


# fmt: off
_OFFICIAL = (
    _official("s", "small", DINOv2Config(384, 12), None,
              "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9", 88283115),
    _official("s", "small", DINOv2Config(384, 12, registers=4), 2.0,
              "f433177089a681826f849f194ece3bb48f4d63fb38d32fc837e3dc7a4e5641fb", None),
    _official("b", "base", DINOv2Config(768, 12), 3.0,
              "0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73", 346378731),
    _official("b", "base", DINOv2Config(768, 12, registers=4), 3.0,
              "73182a088cf94833c94b1666d1c99e02fe87e2007bff57b564fb6206e25dba71", 346393545),
    _official("l", "large", DINOv2Config(1024, 24), 3.0,
              "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428", 1217586395),
    _official("l", "large", DINOv2Config(1024, 24, registers=4), 3.0,
              "36e4deffbaef061a2576705b0c36f93621e2ae20bf6274694821b0b492551b51", None),
    _official("g", "giant", DINOv2Config(1536, 40, ffn="swiglu"), 3.0,
              "baf8467e50af277596bbbafa06887c177ee899ab46033649c383577d7e9309d3", None),
    _official("g", "giant", DINOv2Config(1536, 40, registers=4, ffn="swiglu"), 3.0,
              "746ecb8c6301c645c5c855be91687d274587d6e48fdaec4a729753160b34a283", None),
)
# fmt: on

VARIANTS: dict[str, Variant] = {
    v.name: v
    for v in (Variant(MINI, DINOv2Config(384, 12), theta=None, checkpoint=None), *_OFFICIAL)
}


def variant(name: str) -> Variant:
    """The variant of that name.

    Raises:
        UsageError: if there is none.
    """
    try:
        return VARIANTS[name]
    except KeyError:
        known = ", ".join([AUTO, *VARIANTS])
        raise UsageError(f"unknown model '{name}'; choose one of {known}") from None


def known_name(name: str) -> str:
    """The name of a variant, or `auto`, as it is.

    Raises:
        UsageError: if it is neither.
    """
    return name if name == AUTO else variant(name).name


def by_config(config: DINOv2Config) -> Variant | None:
    """The official variant of that shape, None for a shape of nobody's."""
    return next((v for v in VARIANTS.values() if v.checkpoint and v.config == config), None)
