"""What a node may configure: buses, properties, times. Checked whole before anything is changed.

    {"buses": {"probe": {"scl": "SCL3", "sda": "SDA3", "freq": 100000}},
     "properties": {"air": {"kind": "tmp105", "bus": "probe", "address": 72, "every": 1000,
                            "change": 0.25},
                    "heater": {"kind": "out", "pin": "LED0", "safe": 0},
                    "door": {"kind": "in", "pin": "BUTTON0", "every": 50, "pull": "up"},
                    "fan": {"kind": "pwm", "pin": "GP15", "freq": 25000, "safe": 0.2},
                    "tank": {"kind": "adc", "pin": "GP26", "low": 0, "high": 3.3, "change": 0.05},
                    "attic": {"kind": "bme280", "bus": "probe", "address": 118}},
     "safe_after": 10000, "watchdog": 8000}

`every` and the times are milliseconds. `change`: the least difference that is reported. `safe`: what an
output becomes at the start and when the link has been down for `safe_after`. A `pwm` is the share of
the time that its pin is high, 0 to 1. An `adc` is 0 to 1 of the converter's range, or `low` to `high`
in whatever unit those are. A `bme280` called attic is three properties: attic.temperature in °C,
attic.humidity in %, attic.pressure in Pa; its fields of these names are what `change` is for others.
"""

PROPERTIES_LIMIT = 32
"""A BME280 is three."""
BUSES_LIMIT = 4
NAME_LIMIT = 24
"""Characters of a name."""
HOUR = 3_600_000

_MISSING = "missing"
"""Default of a field that must be there. None: of one that need not."""
_TEXT = ("text", 1, NAME_LIMIT, _MISSING)
_EVERY = ("integer", 10, HOUR, 1000)
_ANY = 1_000_000_000
_BUS: dict[str, tuple[str, float, float, object]] = {
    "scl": _TEXT,
    "sda": _TEXT,
    "freq": ("integer", 1_000, 1_000_000, 100_000),
}
_THERMOMETER: dict[str, tuple[str, float, float, object]] = {
    "bus": _TEXT,
    "address": ("integer", 0x08, 0x77, _MISSING),
    "every": _EVERY,
    "change": ("number", 0, 100, 0.0625),
}
_KINDS: dict[str, dict[str, tuple[str, float, float, object]]] = {
    "in": {"pin": _TEXT, "every": _EVERY, "pull": ("up or down", 0, 0, None)},
    "out": {"pin": _TEXT, "safe": ("integer", 0, 1, None)},
    "adc": {
        "pin": _TEXT,
        "every": _EVERY,
        "low": ("number", -_ANY, _ANY, 0),
        "high": ("number", -_ANY, _ANY, 1),
        "change": ("number", 0, _ANY, 0.01),
    },
    "pwm": {
        "pin": _TEXT,
        "freq": ("integer", 10, 1_000_000, 1000),
        "safe": ("number", 0, 1, 0),
    },
    "tmp105": _THERMOMETER,
    "lm75": _THERMOMETER,
    "bme280": {
        "bus": _TEXT,
        "address": ("integer", 0x76, 0x77, 0x76),
        "every": _EVERY,
        "temperature": ("number", 0, 100, 0.1),
        "humidity": ("number", 0, 100, 0.5),
        "pressure": ("number", 0, 110_000, 20),
    },
}
PARTS = {"bme280": ("temperature", "humidity", "pressure")}
"""Of a kind that is several properties: what stands behind its name and a dot."""
_WHOLE: dict[str, tuple[str, float, float, object]] = {
    "safe_after": ("integer", 100, HOUR, 10_000),
    "watchdog": ("integer", 1_000, 60_000, 8_000),
}
DEFAULT: dict[str, object] = {
    "buses": {},
    "properties": {},
    "safe_after": 10_000,
    "watchdog": 8_000,
}


class ConfigError(ValueError):
    """The message names the field, as `properties.air.every`, and what it may be."""


def checked(config: object) -> dict[str, object]:
    """The configuration with its defaults; raises ConfigError for the first thing that is wrong."""
    given = _map("config", config)
    _known("", given, ("buses", "properties") + tuple(_WHOLE))
    buses = _map("buses", given.get("buses", {}))
    properties = _map("properties", given.get("properties", {}))
    _count("buses", buses, BUSES_LIMIT)
    _count("properties", properties, PROPERTIES_LIMIT)
    made: dict[str, object] = {
        "buses": {name: _fields(f"buses.{name}", bus, _BUS) for name, bus in buses.items()},
    }
    entries = {
        name: _property(f"properties.{name}", entry, buses) for name, entry in properties.items()
    }
    named: dict[object, object] = dict.fromkeys(names_of(entries))
    _count("properties", named, PROPERTIES_LIMIT)
    made["properties"] = entries
    for name, rule in _WHOLE.items():
        made[name] = _value(name, given.get(name, DEFAULT[name]), rule)
    return made


def names_of(properties: dict[object, dict[str, object]]) -> list[object]:
    """What the entries of a configuration are called as properties."""
    names: list[object] = []
    for name, entry in properties.items():
        parts = PARTS.get(str(entry["kind"]))
        names += [f"{name}.{part}" for part in parts] if parts else [name]
    return names


def _property(where: str, entry: object, buses: dict[object, object]) -> dict[str, object]:
    fields = dict(_map(where, entry))
    kind = fields.pop("kind", None)
    if kind not in _KINDS:
        raise ConfigError(f"{where}.kind: must be one of {', '.join(sorted(_KINDS))}")
    made = _fields(where, fields, _KINDS[str(kind)])
    if "bus" in made and made["bus"] not in buses:
        raise ConfigError(f"{where}.bus: there is no bus {made['bus']} in buses")
    made["kind"] = kind
    return made


def _fields(
    where: str, entry: object, rules: dict[str, tuple[str, float, float, object]]
) -> dict[str, object]:
    given = _map(where, entry)
    _known(f"{where}.", given, tuple(rules))
    made: dict[str, object] = {}
    for name, rule in rules.items():
        default = rule[3]
        if name in given:
            made[name] = _value(f"{where}.{name}", given[name], rule)
        elif default is _MISSING:
            raise ConfigError(f"{where}.{name}: is missing")
        elif default is not None:
            made[name] = default
    return made


def _value(where: str, value: object, rule: tuple[str, float, float, object]) -> object:
    what, low, high, _ = rule
    if " or " in what:
        if value in what.split(" or "):
            return value
        raise ConfigError(f"{where}: must be {what}")
    if what == "text":
        if isinstance(value, str) and low <= len(value) <= high:
            return value
        raise ConfigError(f"{where}: must be text of {low} to {high} characters")
    a_what = "an integer" if what == "integer" else "a number"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        fits = isinstance(value, int) or what == "number"
        if fits and low <= value <= high:
            return value
    raise ConfigError(f"{where}: must be {a_what} from {low} to {high}")


def _map(where: str, value: object) -> dict[object, object]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: must be a map")
    return value


def _count(where: str, given: dict[object, object], limit: int) -> None:
    if len(given) > limit:
        raise ConfigError(f"{where}: more than {limit}")
    for name in given:
        if not isinstance(name, str) or not 0 < len(name) <= NAME_LIMIT:
            raise ConfigError(f"{where}: names are text of 1 to {NAME_LIMIT} characters")


def _known(where: str, given: dict[object, object], names: tuple[str, ...]) -> None:
    for name in given:
        if name not in names:
            raise ConfigError(f"{where}{name}: unknown; there are {', '.join(names)}")
