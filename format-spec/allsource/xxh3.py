"""XXH3 in its 64-bit form with seed 0, from its published description. SPEC.md, section 8."""

MASK = (1 << 64) - 1
PRIME32 = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
PRIME64 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
# The default secret.
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
    "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb"
    "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)


def word(data, at):
    return int.from_bytes(data[at : at + 8], "little")


def half(data, at):
    return int.from_bytes(data[at : at + 4], "little")


def fold(a, b):
    product = a * b
    return (product & MASK) ^ (product >> 64)


def avalanche(h):
    h = ((h ^ (h >> 37)) * 0x165667919E3779F9) & MASK
    return h ^ (h >> 32)


def short(key, n):
    """The hash of at most 16 bytes."""

    def finish(h):
        h = ((h ^ (h >> 33)) * PRIME64[1]) & MASK
        h = ((h ^ (h >> 29)) * PRIME64[2]) & MASK
        return h ^ (h >> 32)

    def rotate(value, by):
        return ((value << by) | (value >> (64 - by))) & MASK

    if n == 0:
        return finish(word(SECRET, 56) ^ word(SECRET, 64))
    if n <= 3:
        combined = key[0] << 16 | key[n >> 1] << 24 | key[-1] | n << 8
        return finish(combined ^ half(SECRET, 0) ^ half(SECRET, 4))
    if n <= 8:
        h = (half(key, n - 4) + (half(key, 0) << 32)) ^ word(SECRET, 8) ^ word(SECRET, 16)
        h ^= rotate(h, 49) ^ rotate(h, 24)
        h = (h * 0x9FB21C651E98DF25) & MASK
        h ^= (h >> 35) + n
        h = (h * 0x9FB21C651E98DF25) & MASK
        return h ^ (h >> 28)
    low = word(key, 0) ^ word(SECRET, 24) ^ word(SECRET, 32)
    high = word(key, n - 8) ^ word(SECRET, 40) ^ word(SECRET, 48)
    swapped = int.from_bytes(low.to_bytes(8, "little"), "big")
    return avalanche((n + swapped + high + fold(low, high)) & MASK)


def middle(key, n):
    """The hash of 17 to 240 bytes."""

    def mix(at, secret_at):
        return fold(word(key, at) ^ word(SECRET, secret_at), word(key, at + 8) ^ word(SECRET, secret_at + 8))

    total = n * PRIME64[0]
    if n <= 128:
        for pair in range((n - 1) // 32 + 1):
            total += mix(16 * pair, 32 * pair) + mix(n - 16 * (pair + 1), 32 * pair + 16)
        return avalanche(total & MASK)
    total = avalanche((total + sum(mix(16 * step, 16 * step) for step in range(8))) & MASK)
    total += sum(mix(16 * step, 16 * (step - 8) + 3) for step in range(8, n // 16))
    return avalanche((total + mix(n - 16, 136 - 17)) & MASK)


def long(key, n):
    """The hash of 241 to 1024 bytes; no key is longer."""
    sums = [PRIME32[2], *PRIME64[:4], PRIME32[1], PRIME64[4], PRIME32[0]]
    stripes = [(64 * number, 8 * number) for number in range((n - 1) // 64)]
    for at, secret_at in [*stripes, (n - 64, 192 - 64 - 7)]:
        for lane in range(8):
            value = word(key, at + 8 * lane)
            mixed = value ^ word(SECRET, secret_at + 8 * lane)
            sums[lane ^ 1] += value
            sums[lane] += (mixed & 0xFFFFFFFF) * (mixed >> 32)
    sums = [lane & MASK for lane in sums]
    mixed = [lane ^ word(SECRET, 11 + 8 * number) for number, lane in enumerate(sums)]
    return avalanche((n * PRIME64[0] + sum(fold(*mixed[at : at + 2]) for at in (0, 2, 4, 6))) & MASK)


def xxh3_64(key):
    n = len(key)
    assert n <= 1024, "keys are far shorter"
    return short(key, n) if n <= 16 else middle(key, n) if n <= 240 else long(key, n)


def key_hash(tenant, name):
    """The hash of a key: a tenant and one of its names, joined by a zero byte."""
    return xxh3_64(tenant.encode() + b"\0" + name)
