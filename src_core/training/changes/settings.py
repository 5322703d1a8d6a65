"""How scans are changed at random, and which slices are cut out of them."""

from __future__ import annotations

from dataclasses import dataclass, fields

from src_core.errors import InputError
from src_core.space.slices import SliceRange

_CHANCES = (
    *("gamma", "bias", "noise", "blur", "thick_slices"),
    *("mask", "affine", "elastic", "ageing"),
)


@dataclass(frozen=True)
class AugmentSettings:
    """What is changed at random: the chance of each change, and how far it goes.

    Attributes
    ----------
    gamma, bias, noise, blur, thick_slices, mask, affine, elastic, ageing : float
        Chance of each change, 0..1.
    gamma_range : (float, float)
        Exponent of the intensities.
    bias_range : (float, float)
        Strength of the bias field, see `bias_field`.
    bias_length : (float, float)
        Over which it is smooth, mm.
    noise_range : (float, float)
        Standard deviation, as a share of the brightness of white matter.
    blur_range : (float, float)
        Standard deviation of the Gaussian, mm.
    slice_range : (int, int)
        Voxels that a thick slice averages.
    mask_range : (float, float)
        The brain mask is looser by this many mm at each place (negative: tighter).
    turn, shift, stretch : float
        Largest misalignment about and along each axis, degrees, mm and share; a third of it is the
        standard deviation, because most alignments are good.
    elastic_range : (float, float)
        Standard deviation of the elastic displacements, mm.
    elastic_length : (float, float)
        Over which they are smooth, mm.
    growth_range : (float, float)
        Volume of old ventricles over that of the scan's, aimed at. Thin ones reach less: young
        lateral ventricles grow to 4 times their volume when 6 are aimed at.
    shrinkage_range : (float, float)
        Share of its volume that old tissue loses, besides what the ventricles take.
    thinning_range : (float, float)
        What old cortex loses to the fluid around it, mm.
    darkening_range : (float, float)
        Share of its brightness that old white matter loses in patches beside the ventricles.

    Raises
    ------
    InputError
        A chance is not within 0..1, or a range ends before it starts.
    """

    gamma: float = 0.8
    bias: float = 0.8
    noise: float = 0.8
    blur: float = 0.3
    thick_slices: float = 0.15
    mask: float = 0.7
    affine: float = 1.0
    elastic: float = 0.5
    ageing: float = 0.3
    gamma_range: tuple[float, float] = (0.7, 1.5)
    bias_range: tuple[float, float] = (0.0, 0.3)
    bias_length: tuple[float, float] = (50.0, 120.0)
    noise_range: tuple[float, float] = (0.0, 0.05)
    blur_range: tuple[float, float] = (0.0, 1.0)
    slice_range: tuple[int, int] = (2, 3)
    mask_range: tuple[float, float] = (-1.0, 4.0)
    turn: float = 15.0
    shift: float = 10.0
    stretch: float = 0.15
    elastic_range: tuple[float, float] = (2.0, 4.0)
    elastic_length: tuple[float, float] = (20.0, 40.0)
    growth_range: tuple[float, float] = (1.5, 6.0)
    shrinkage_range: tuple[float, float] = (0.0, 0.12)
    thinning_range: tuple[float, float] = (0.0, 0.7)
    darkening_range: tuple[float, float] = (0.0, 0.45)

    def __post_init__(self) -> None:
        for name in _CHANCES:
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"augmentation: {name} is a chance; give a number from 0 to 1")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple) and not value[0] <= value[1]:
                raise InputError(f"augmentation: {field.name} ends before it starts: {value}")


@dataclass(frozen=True)
class SliceSettings:
    """Single coronal slices that are cut out of the volumes.

    Attributes
    ----------
    where : SliceRange
        Which slices; stands in the model's card.
    count : int
        Slices per variant of a scan.

    Raises
    ------
    InputError
        They are not coronal, or there are none.
    """

    where: SliceRange
    count: int = 4

    def __post_init__(self) -> None:
        if self.where.axis != "y":
            raise InputError("where: training cuts coronal slices only; give axis = 'y'")
        if self.count < 1:
            raise InputError(f"count: {self.count} is not a positive number")
