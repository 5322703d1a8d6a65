"""Scans as they might also have come: other intensities, masks, shapes and ages; mirrored.

Shapes change through one displacement field on a coarse grid, in which an old brain and a random
elastic deformation are put together, so that the scan is resampled only once.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from nibabel.affines import apply_affine
from scipy import fft, ndimage
from scipy.spatial.transform import Rotation

from src_core.io.labels import Protocol
from src_core.io.scan import Scan
from src_core.training.changes.settings import AugmentSettings

MARGIN = 8.0
"""What is changed reaches this far beyond the brain, mm."""
COARSE = 2.0
"""Spacing of the grid of displacements, mm, or one voxel where that is more."""
LARGEST_STRAIN = 0.5
"""Of the elastic deformation. Below 1 it can be inverted."""
LARGEST_VENTRICLES = 0.12
"""Share of the brain that ventricles grow to at most; 9 % are seen in old people."""
LARGEST_ROOM = 0.3
"""Share of the white matter that growing ventricles take at most."""
AGEING_STEPS = 4
"""Steps in which volumes grow and shrink."""

_OTHER_SIDE = {"left": "right", "right": "left", "l": "r", "r": "l", "lh": "rh", "rh": "lh"}


def smooth_field(
    shape: tuple[int, ...], spacing: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Random smooth field, mean 0 and standard deviation 1 at every voxel, float32.

    A grid of random numbers, blurred by Gaussians.

    Parameters
    ----------
    shape : tuple of int
    spacing : ndarray, shape (axes,)
        Voxels between the numbers along each axis.
    random : Generator
    """
    nodes = [np.arange(-2, size / step + 2) for size, step in zip(shape, spacing, strict=True)]
    weights = []
    for size, step, places in zip(shape, spacing, nodes, strict=True):
        bump = np.exp(-(((np.arange(size)[:, None] / step - places) / 0.8) ** 2) / 2)
        weights.append(bump / np.linalg.norm(bump, axis=1, keepdims=True))
    return _combined(random.standard_normal([len(places) for places in nodes]), weights)


def bias_field(
    mask: np.ndarray, spacing: np.ndarray, strength: float, random: np.random.Generator
) -> np.ndarray:
    """Smooth field of factors, from ``1 / (1 + strength)`` to ``1 + strength`` inside the mask.

    Parameters
    ----------
    mask : ndarray of bool
    spacing : ndarray, shape (axes,)
        As in `smooth_field`.
    strength : float
    random : Generator

    Returns
    -------
    ndarray of float32
        Of the mask's shape.
    """
    field = smooth_field(mask.shape, spacing, random)
    low, high = field[mask].min(), field[mask].max()
    centred = (2 * field - low - high) / max(high - low, 1e-6)
    return np.exp(np.log1p(strength) * centred)


def box_around(mask: np.ndarray, margin: np.ndarray) -> tuple[slice, ...]:
    """The part of the grid that holds the mask, and `margin` voxels more where there are any."""
    (box,) = ndimage.find_objects(mask.view(np.uint8))
    wider = np.ceil(margin).astype(int)
    return tuple(
        slice(max(part.start - more, 0), part.stop + more)
        for part, more in zip(box, wider, strict=True)
    )


def augment(
    scan: Scan,
    mask: np.ndarray,
    labels: np.ndarray,
    tissues: "Tissues",
    random: np.random.Generator,
    settings: AugmentSettings,
) -> tuple[Scan, np.ndarray, np.ndarray]:
    """Change a scan at random.

    Parameters
    ----------
    scan : Scan
    mask : ndarray of bool, shape (I, J, K)
    labels : ndarray of int, shape (I, J, K)
    tissues : Tissues
        What the labels are.
    random : Generator
    settings : AugmentSettings

    Returns
    -------
    scan, mask, labels
        New ones of the same shape; voxels outside the mask are 0. The affine is misplaced: with
        an alignment that was found before, the scan is misaligned.
    """

    def happens(chance: float) -> bool:
        return bool(random.random() < chance)

    box = box_around(mask, MARGIN / scan.voxel_size)
    brain = _Brain(_normalised(scan.voxels[box], mask[box]), mask[box], labels[box])
    elastic, ageing = happens(settings.elastic), happens(settings.ageing)
    ageing = ageing and tissues.can_age
    if elastic or ageing:
        brain = _reshaped(brain, scan.voxel_size, tissues, elastic, ageing, settings, random)
    if happens(settings.mask):
        brain = _stripped_otherwise(brain, scan.voxel_size, settings, random)
    voxels, millimetre = brain.voxels, 1 / scan.voxel_size
    if happens(settings.gamma):
        voxels = voxels ** random.uniform(*settings.gamma_range)
    if happens(settings.blur):
        widths = np.where(np.array(voxels.shape) > 1, millimetre, 0)
        voxels = ndimage.gaussian_filter(voxels, random.uniform(*settings.blur_range) * widths)
    if happens(settings.bias):
        spacing = random.uniform(*settings.bias_length) * millimetre
        strength = random.uniform(*settings.bias_range)
        voxels = voxels * bias_field(brain.mask, spacing, strength, random)
    if happens(settings.noise):
        noise = random.standard_normal(voxels.shape, dtype=np.float32)
        voxels = voxels + random.uniform(*settings.noise_range) * noise
    if happens(settings.thick_slices):
        thickness = int(random.integers(*settings.slice_range, endpoint=True))
        voxels = _thick_slices(voxels, int(random.integers(3)), thickness)

    whole = _Brain(
        np.zeros(scan.shape, np.float32), np.zeros(scan.shape, bool), np.zeros_like(labels)
    )
    whole.voxels[box] = np.where(brain.mask, voxels, 0)
    whole.mask[box], whole.labels[box] = brain.mask, brain.labels
    affine = scan.affine
    if happens(settings.affine):
        affine = (
            _misplacement(apply_affine(affine, np.argwhere(mask).mean(0)), settings, random)
            @ affine
        )
    return replace(scan, voxels=whole.voxels, affine=affine), whole.mask, whole.labels


def mirror(scan: Scan) -> Scan:
    """The scan of the mirrored person: left and right change places, voxels stay."""
    return replace(scan, affine=np.diag([-1.0, 1, 1, 1]) @ scan.affine)


def mirrored_classes(protocol: Protocol) -> np.ndarray | None:
    """Class that each class becomes in the mirrored person, shape (classes,), uint8.

    Sides are told by the words left, right, l, r, lh and rh in the structures' names. None: a
    structure of one side has no partner on the other, so nobody knows what it would become.
    """
    names = [tuple(_words(structure.name)) for structure in protocol.structures]
    places = {name: place for place, name in enumerate(names, start=1)}
    partners = [places.get(tuple(_OTHER_SIDE.get(word, word) for word in name)) for name in names]
    if None in partners:
        return None
    return np.array([0, *partners], np.uint8)


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W_]+", name.lower())


@dataclass(frozen=True, eq=False)
class _Brain:
    """Voxels, mask and labels on one grid, (I, J, K) each."""

    voxels: np.ndarray
    mask: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, eq=False)
class Tissues:
    """What ages: tables of bool by label id.

    Attributes
    ----------
    ventricles, cortex, white_matter : ndarray of bool
    """

    ventricles: np.ndarray
    cortex: np.ndarray
    white_matter: np.ndarray

    @property
    def can_age(self) -> bool:
        """Whether enough is labelled to tell tissue from the fluid around it."""
        return bool(self.cortex.any() and self.white_matter.any())

    @classmethod
    def of(cls, protocol: Protocol, mapping: np.ndarray) -> "Tissues":
        """What the names of a protocol tell.

        Parameters
        ----------
        protocol : Protocol
        mapping : ndarray of uint8
            Class by label id.
        """

        def table(belongs: Callable[[str], bool]) -> np.ndarray:
            found = np.zeros(256, bool)
            for place, structure in enumerate(protocol.structures, start=1):
                found[place] = belongs(structure.name)
            return found[mapping]

        return cls(
            # Not "Vent" alone, which the ventral diencephalon (VentralDC) holds too.
            table(
                lambda name: (
                    name == "CSF"
                    or name.endswith("Vent")
                    or "Ventricle" in name
                    or "Choroid-Plexus" in name
                )
            ),
            table(lambda name: name == "Cortex" or "Cerebral-Cortex" in name),
            table(lambda name: "White-Matter" in name),
        )


@dataclass(frozen=True, eq=False)
class _CoarseGrid:
    """Blocks of voxels, about `COARSE` mm wide, on which displacements are computed.

    Attributes
    ----------
    shape : tuple of int
        Of the voxels.
    steps : ndarray of int, shape (3,)
        Voxels per block.
    size : ndarray, shape (3,)
        Of a block, mm.
    """

    shape: tuple[int, ...]
    steps: np.ndarray
    size: np.ndarray

    @classmethod
    def over(cls, shape: tuple[int, ...], voxel_size: np.ndarray) -> "_CoarseGrid":
        steps = np.minimum(np.maximum(np.rint(COARSE / voxel_size), 1), shape).astype(int)
        return cls(shape, steps, steps * voxel_size)

    @property
    def blocks(self) -> tuple[int, ...]:
        """Number of blocks along each axis."""
        return tuple(-(-size // step) for size, step in zip(self.shape, self.steps, strict=True))

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Mean of the voxels of each block, float32."""
        surplus = np.array(self.blocks) * self.steps - self.shape
        padded = np.pad(values, [(0, n) for n in surplus], mode="edge")
        i, j, k = self.blocks
        a, b, c = self.steps
        return padded.reshape(i, a, j, b, k, c).mean((1, 3, 5), dtype=np.float32)

    def fine(self, values: np.ndarray) -> np.ndarray:
        """Values of the blocks, interpolated linearly at the voxels."""
        weights = []
        for size, step, count in zip(self.shape, self.steps, self.blocks, strict=True):
            place = np.clip((np.arange(size) + 0.5) / step - 0.5, 0, count - 1)
            weights.append(np.maximum(1 - np.abs(place[:, None] - np.arange(count)), 0))
        return _combined(values, weights)


def _combined(values: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """Weighted sums along each axis in turn, float32; weights (new length, old length) per axis."""
    values = values.astype(np.float32)
    for matrix in weights:
        # The product takes the first axis and puts it last: after all of them the order is back.
        values = np.tensordot(values, matrix.astype(np.float32), axes=(0, 1))
    return values


def _normalised(voxels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Brightness 0 to about 1, float32; the brightest vessels are cut off."""
    low, high = np.quantile(voxels[mask], (0.001, 0.98))
    return np.clip((voxels - low) / max(high - low, 1e-6), 0, 1.5).astype(np.float32)


def _misplacement(
    middle: np.ndarray, settings: AugmentSettings, random: np.random.Generator
) -> np.ndarray:
    """A random affine about the middle of the brain, 4x4."""

    def error(largest: float) -> np.ndarray:
        return np.clip(random.normal(0, largest / 3, 3), -largest, largest)

    turn = Rotation.from_rotvec(error(settings.turn), degrees=True).as_matrix()
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ np.diag(1 + error(settings.stretch))
    matrix[:3, 3] = middle - matrix[:3, :3] @ middle + error(settings.shift)
    return matrix


def _thick_slices(voxels: np.ndarray, axis: int, thickness: int) -> np.ndarray:
    """Slices that average some voxels, interpolated between their middles."""
    count = voxels.shape[axis] // thickness
    if count < 2:
        return voxels
    lines = np.moveaxis(voxels, axis, 0)
    slices = lines[: count * thickness].reshape(count, thickness, *lines.shape[1:]).mean(1)
    place = (np.arange(len(lines)) - (thickness - 1) / 2) / thickness
    below = np.clip(np.floor(place).astype(int), 0, count - 2)
    share = np.clip(place - below, 0, 1).astype(np.float32)[:, None, None]
    return np.moveaxis(slices[below] * (1 - share) + slices[below + 1] * share, 0, axis)


def _stripped_otherwise(
    brain: _Brain,
    voxel_size: np.ndarray,
    settings: AugmentSettings,
    random: np.random.Generator,
) -> _Brain:
    """Another mask; where it is looser, there are dark fluid and bright patches of meninges."""
    shape, spacing = brain.mask.shape, 16 / voxel_size
    outward = ndimage.distance_transform_edt(~brain.mask, sampling=voxel_size)
    inward = ndimage.distance_transform_edt(brain.mask, sampling=voxel_size)
    low, high = settings.mask_range
    usual = random.uniform(low + 0.1 * (high - low), low + 0.6 * (high - low))
    reach = usual + 0.2 * (high - low) * smooth_field(shape, spacing, random)
    mask = outward - inward < np.clip(reach, low, high)
    fluid = random.uniform(0.05, 0.4) + 0.04 * smooth_field(shape, spacing, random)
    patches = smooth_field(shape, spacing, random) > random.uniform(1.5, 3.5)
    filling = np.where(patches, np.float32(random.uniform(0.4, 1.1)), fluid)
    filling += 0.05 * random.standard_normal(shape, dtype=np.float32)
    voxels = np.where(mask & ~brain.mask, np.clip(filling, 0, 1.5), brain.voxels)
    return _Brain(voxels, mask, np.where(mask, brain.labels, 0))


def _reshaped(
    brain: _Brain,
    voxel_size: np.ndarray,
    tissues: Tissues,
    elastic: bool,
    ageing: bool,
    settings: AugmentSettings,
    random: np.random.Generator,
) -> _Brain:
    """Let the brain grow old and deform it, in one resampling."""
    grid = _CoarseGrid.over(brain.mask.shape, voxel_size)
    deformed = np.zeros((3, *grid.blocks), np.float32)
    if elastic:
        deformed = _elastic(grid, settings, random)
    aged = deformed
    if ageing:
        # Aged first, deformed then: looked up in the opposite order.
        aged = _followed(deformed, _aged(grid, brain, tissues, settings, random))
    # The skull does not shrink with the brain: the gap is left to fluid.
    skull, outline = (_moved(grid.mean(brain.mask)[None], back)[0] for back in (deformed, aged))
    near = grid.fine(np.maximum(skull, outline)) > 0.01
    places = np.stack(
        [
            place + step * grid.fine(part)[near]
            for place, step, part in zip(np.nonzero(near), grid.steps, aged, strict=True)
        ]
    ).astype(np.float32)
    # Around the brain fluid, for its rim to mix with, instead of what stripping left there.
    fluid = _fluid_brightness(brain, tissues)
    voxels = np.full_like(brain.voxels, fluid)
    voxels[near] = ndimage.map_coordinates(
        np.where(brain.mask, brain.voxels, fluid), places, order=1, mode="nearest"
    )
    codes = np.full(near.shape, -1, np.int16)
    codes[near] = ndimage.map_coordinates(
        np.where(brain.mask, brain.labels.astype(np.int16), -1), places, order=0, mode="nearest"
    )
    changed = _Brain(voxels, codes >= 0, np.maximum(codes, 0))
    if not ageing:
        return changed
    changed = replace(changed, mask=changed.mask | (grid.fine(skull) > 0.5))
    _darken_white_matter(changed, grid, tissues, settings, random)
    _thin_cortex(changed, voxel_size, fluid, tissues, settings, random)
    return changed


def _elastic(
    grid: _CoarseGrid, settings: AugmentSettings, random: np.random.Generator
) -> np.ndarray:
    """Random smooth displacements, (3, ...) blocks, that leave the faces of the box in place."""
    spacing = random.uniform(*settings.elastic_length) / grid.size
    field = np.stack([smooth_field(grid.blocks, spacing, random) for _ in range(3)])
    field *= random.uniform(*settings.elastic_range)
    slopes = np.stack([_gradient(part, grid.size) for part in field])
    field *= min(1, LARGEST_STRAIN / max(float(np.abs(slopes).sum(1).max()), 1e-6))
    field /= grid.size.reshape(3, 1, 1, 1)
    for axis, count in enumerate(grid.blocks):
        place = np.moveaxis(np.arange(count, dtype=np.float32)[:, None, None], 0, axis)
        room = LARGEST_STRAIN * place, LARGEST_STRAIN * (count - 1 - place)
        np.clip(field[axis], -room[0], room[1], out=field[axis])
    return field


def _aged(
    grid: _CoarseGrid,
    brain: _Brain,
    tissues: Tissues,
    settings: AugmentSettings,
    random: np.random.Generator,
) -> np.ndarray:
    """Displacements, (3, ...) blocks, of a brain whose ventricles grow and whose tissue shrinks.

    Each place grows or shrinks at a rate of its own, which moves everything around it: the
    velocity is the gradient of a potential whose Laplacian is that rate, as for a fluid with
    sources and sinks (a simple form of the atrophy simulated by Khanal et al. 2016, NeuroImage).
    White matter makes room for the ventricles; the surroundings take what else is lost.
    """
    ventricles = grid.mean(tissues.ventricles[brain.labels])
    white_matter = grid.mean(tissues.white_matter[brain.labels])
    fluid = grid.mean(brain.mask & (brain.labels == 0))
    tissue = grid.mean(brain.mask) - ventricles - fluid
    held, room = float(ventricles.sum()), LARGEST_ROOM * float(white_matter.sum())
    growth = random.uniform(*settings.growth_range)
    if held:
        largest = LARGEST_VENTRICLES * float(grid.mean(brain.mask).sum())
        growth = min(growth, 1 + room / held, max(largest / held, 1))
    taken = LARGEST_ROOM * (growth - 1) * held / max(room, 1e-6)
    shrinkage = -np.log1p(-random.uniform(*settings.shrinkage_range))
    spots = np.maximum(1 + smooth_field(grid.blocks, 30 / grid.size, random), 0)
    others = np.log1p(-taken) * white_matter - shrinkage * spots * tissue
    others += np.log(random.uniform(1, 2)) * fluid

    back = np.zeros((3, *grid.blocks), np.float32)
    for left in range(AGEING_STEPS, 0, -1):
        rate, grown = _moved(np.stack([others, ventricles]), back)
        rate /= AGEING_STEPS
        if held:
            # Thin ventricles grow less than at their rate, because blocks hold tissue too.
            rate += np.log(growth * held / float(grown.sum())) / left * grown
        back = _followed(-_flow(rate, grid.size) / grid.size.reshape(3, 1, 1, 1), back)
    return back


def _flow(rate: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Velocity (3, ...) whose divergence is the rate less its mean; nothing leaves the box."""
    waves = np.meshgrid(
        *(np.pi * np.arange(n) / (n * step) for n, step in zip(rate.shape, size, strict=True)),
        indexing="ij",
        sparse=True,
    )
    squares = sum(wave**2 for wave in waves)
    squares[0, 0, 0] = np.inf
    spectrum = fft.dctn(rate, norm="ortho") / squares.astype(np.float32)
    velocity = []
    for axis, wave in enumerate(waves):
        # The derivative of cosines is sines, whose list starts one wave later.
        part = fft.idst(
            np.roll(spectrum * wave.astype(np.float32), -1, axis), axis=axis, norm="ortho"
        )
        velocity.append(fft.idctn(part, axes=[i for i in range(3) if i != axis], norm="ortho"))
    return np.stack(velocity)


def _gradient(values: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Central differences per mm, (3, ...); 0 across a single slice."""
    return np.stack(
        [
            np.gradient(values, step, axis=axis)
            if values.shape[axis] > 1
            else np.zeros_like(values)
            for axis, step in enumerate(size)
        ]
    )


def _moved(values: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Several volumes (n, ...) after displacements (3, ...) that say where each place came from."""
    if not back.any():
        return values
    places = np.indices(back.shape[1:], np.float32) + back
    return np.stack(
        [ndimage.map_coordinates(part, places, order=1, mode="nearest") for part in values]
    )


def _followed(last: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Displacements of two moves, one after the other."""
    return last + _moved(first, last)


def _fluid_brightness(brain: _Brain, tissues: Tissues) -> np.float32:
    """How bright the scan shows fluid: as in the darker half of the ventricles."""
    inside = brain.voxels[brain.mask & tissues.ventricles[brain.labels]]
    if len(inside):
        return np.float32(np.quantile(inside, 0.25))
    return np.float32(np.quantile(brain.voxels[brain.mask], 0.02))


def _darken_white_matter(
    brain: _Brain,
    grid: _CoarseGrid,
    tissues: Tissues,
    settings: AugmentSettings,
    random: np.random.Generator,
) -> None:
    """Put soft dark patches into the white matter beside the ventricles, as old age does."""
    reach = random.uniform(3, 6) / grid.size
    beside = ndimage.gaussian_filter(grid.mean(tissues.ventricles[brain.labels]), reach)
    patches = np.clip(0.5 + smooth_field(grid.blocks, 12 / grid.size, random), 0, 1)
    darkening = random.uniform(*settings.darkening_range)
    darkness = grid.fine(darkening * patches * np.clip(4 * beside, 0, 1))
    # Ventricles too, whose edges are partly white matter; softly, for other tissue begins softly.
    concerned = tissues.white_matter | tissues.ventricles
    softly = ndimage.gaussian_filter(concerned[brain.labels].astype(np.float32), 1.0)
    np.multiply(brain.voxels, 1 - darkness * softly, out=brain.voxels)


def _thin_cortex(
    brain: _Brain,
    voxel_size: np.ndarray,
    fluid: np.float32,
    tissues: Tissues,
    settings: AugmentSettings,
    random: np.random.Generator,
) -> None:
    """Let fluid take the outermost of the cortex, less than a voxel at most."""
    cortex = tissues.cortex[brain.labels]
    if not cortex.any():
        return
    middle = (fluid + np.median(brain.voxels[cortex])) / 2
    # Background that looks like tissue is a speck of the manual labels, not a sulcus.
    outside = (brain.labels == 0) & (brain.voxels < middle)
    rim = cortex & ndimage.binary_dilation(outside)
    depth = random.uniform(*settings.thinning_range) / np.cbrt(voxel_size.prod())
    uneven = 1 + 0.5 * smooth_field(rim.shape, 20 / voxel_size, random)
    share = ndimage.gaussian_filter((rim | outside).astype(np.float32), 0.5)
    share *= np.clip(depth * uneven, 0, 1)
    before = brain.voxels[rim]
    np.add(brain.voxels, share * (fluid - brain.voxels), out=brain.voxels)
    # A voxel is lost where it now looks rather like fluid than like cortex.
    lost = (brain.voxels[rim] < middle) & ((before >= middle) | (share[rim] > 0.5))
    brain.labels[rim] = np.where(lost, 0, brain.labels[rim])
