#!/usr/bin/env python3
"""Makes sample.jsonl, the orders of a gift wholesaler, dirt included.

usage: generate.py [--check]

Writes sample.jsonl, then reads it back as a stranger would, and writes what
it must add up to: expected.json and the table in README.md. The judging below
shares nothing with the fleet, so that a test can compare the two. The same
seed makes the same bytes with every Python 3. `--check` writes nothing and
ends with 1 when a committed file differs.
"""

import json
import random
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

SEED = 20250303
ORDERS = 600
CANCELLATIONS = 18
FIRST_ORDER_ID = 700001
I64_MAX = 2**63 - 1

HERE = Path(__file__).resolve().parent
MARK = ("<!-- made by generate.py -->\n", "<!-- until here -->\n")

COLOURS = ["AMBER", "COBALT", "CORAL", "DUSK BLUE", "FERN", "INDIGO", "LINEN", "MUSTARD", "ROSE", "SLATE"]
MAKES = ["BEECH", "BRASS", "ENAMEL", "FELT", "GLAZED", "KNITTED", "PAPER", "RATTAN", "STONEWARE", "WAXED"]
THINGS = [
    "APRON", "BIRD FEEDER", "BOOKEND", "BREAD BIN", "BUTTON BOX", "CANDLE DISH", "CRÈME BRÛLÉE DISH",
    "DOOR WEDGE", "EGG CUP", "GARLAND", "KEY TRAY", "LETTER RACK", "MILK JUG", "NAPKIN RING",
    "PENCIL POT", "PICNIC RUG", "PLANT LABEL", "SOAP DISH", "TEA COSY", "TOAST RACK", "TWINE SPOOL",
    "WATERING CAN",
]
QUANTITIES = [1, 1, 1, 2, 2, 3, 4, 6, 6, 8, 10, 12, 12, 24, 24, 36, 48, 96]
LINE_COUNTS = [1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 7, 9, 11, 14, 17, 24]
# (percent of the orders, currency, its minor units to a penny, countries)
MARKETS = [
    (79, "GBP", 1.0, ["United Kingdom"] * 9 + ["Channel Islands"]),
    (4, "GBP", 1.0, ["Australia", "Norway", "Switzerland"]),
    (11, "EUR", 1.2, ["France", "Germany", "Netherlands", "Ireland", "Spain", "Portugal", "Belgium"]),
    (4, "USD", 1.3, ["United States", "Canada"]),
    (2, "JPY", 1.9, ["Japan"]),
]


class Dice(random.Random):
    """Draws by random() alone: its sequence is the same in every Python 3."""

    def below(self, limit):
        return int(self.random() * limit)

    def pick(self, items):
        return items[self.below(len(items))]


def catalogue(dice):
    """240 products of our own, each a stock code, a name and pence."""
    products = {}
    while len(products) < 240:
        name = f"{dice.pick(COLOURS)} {dice.pick(MAKES)} {dice.pick(THINGS)}"
        if dice.random() < 0.2:
            plural = "ES" if name.endswith(("X", "SH")) else "S"
            name = f"SET OF {dice.pick([3, 4, 6])} {name}{plural}"
        code = f"{30000 + len(products) * 7}{dice.pick(['', '', '', 'A', 'B', 'C'])}"
        products.setdefault(name, (code, name, dice.pick([29, 42, 85, 125, 165, 210, 295, 375, 425, 595, 850, 1275])))
    return list(products.values())


def make_order(dice, number, placed_at, products):
    share = dice.below(100)
    for weight, currency, rate, countries in MARKETS:
        if share < weight:
            break
        share -= weight
    customer = 20001 + dice.below(180)
    order = {
        "order_id": str(number),
        "customer_id": str(customer),
        "currency": currency,
        "placed_at": placed_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "country": dice.pick(countries),
    }
    if dice.random() < 0.6:
        order["email"] = f"buyer{customer}@example.{dice.pick(['com', 'org'])}"
    order["cancelled"] = False
    order["lines"] = []
    for _ in range(dice.pick(LINE_COUNTS)):
        code, name, pence = dice.pick(products)
        order["lines"].append(
            {
                "sku": code,
                "description": name,
                "quantity": dice.pick(QUANTITIES),
                "unit_price_minor": max(1, round(pence * rate)),
            }
        )
    return order


def make_cancellation(dice, order, placed_at):
    """A document of its own that takes back a part of `order`."""
    line = dict(dice.pick(order["lines"]))
    line["quantity"] = 1 + dice.below(line["quantity"])
    return {
        **order,
        "order_id": f"C{order['order_id']}",
        "placed_at": placed_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "cancelled": True,
        "lines": [line],
    }


def without_customer(order):
    del order["customer_id"]


def set_customer(value):
    return lambda order: order.update(customer_id=value)


def set_currency(value):
    return lambda order: order.update(currency=value)


def set_line(**fields):
    return lambda order: order["lines"][-1].update(fields)


def no_lines(order):
    order["lines"] = []


def one_huge_line(order):
    order["lines"][0].update(quantity=4_000_000_000, unit_price_minor=4_000_000_000)


def two_big_lines(order):
    """Each fits into 64 bits, their sum does not."""
    line = dict(order["lines"][0], quantity=2_500_000_000, unit_price_minor=2_000_000_000)
    order["lines"] = [line, dict(line)]


# What is wrong with which order, by its place among the first 600.
DIRT = {
    23: without_customer, 71: without_customer, 118: without_customer, 262: without_customer,
    40: set_customer(None), 155: set_customer(None), 301: set_customer(None),
    57: set_customer(""), 209: set_customer(""), 402: set_customer("   "),
    88: no_lines,
    133: set_currency("XQZ"), 377: set_currency("ZZZ"),
    95: set_line(unit_price_minor=0), 187: set_line(unit_price_minor=0), 333: set_line(unit_price_minor=0),
    414: set_line(unit_price_minor=-250),
    226: set_line(quantity=0), 451: set_line(quantity=0),
    248: set_line(quantity=-6), 489: set_line(quantity=-1), 530: set_line(quantity=-24),
    310: one_huge_line, 512: two_big_lines,
}  # fmt: skip


def to_line(order):
    return json.dumps(order, ensure_ascii=False, separators=(",", ":"))


def make_sample():
    dice = Dice(SEED)
    products = catalogue(dice)
    now = datetime(2025, 3, 3, 8, 1, tzinfo=timezone.utc)
    lines, clean = [], []
    placed = 0
    while placed < ORDERS:
        now += timedelta(seconds=40 + dice.below(600))
        # Spread evenly, and never the first: something has to be taken back.
        if clean and placed % (ORDERS // CANCELLATIONS) == ORDERS // CANCELLATIONS - 1:
            order = make_cancellation(dice, clean.pop(dice.below(len(clean))), now)
        else:
            order = make_order(dice, FIRST_ORDER_ID + placed, now, products)
            if placed in DIRT:
                DIRT[placed](order)
            else:
                clean.append(order)
        if placed == 395:
            # A cancellation has to name its customer as well.
            order = dict(make_cancellation(dice, clean.pop(0), now), customer_id=None)
        lines.append(to_line(order))
        placed += 1

    # What is not to get past the door, and what comes twice: from the back,
    # so that the places before stay the same.
    changed = json.loads(lines[350])
    changed["lines"][0]["quantity"] += 1
    lines.insert(560, to_line(changed))
    lines.insert(480, lines[479])
    lines.insert(440, to_line({k: v for k, v in json.loads(lines[439]).items() if k != "order_id"}))
    lines.insert(345, lines[12])
    wrong = json.loads(lines[290])
    wrong["order_id"] = "799001"
    wrong["lines"][0]["quantity"] = "six"
    lines.insert(291, to_line(wrong))
    lines.insert(199, lines[198][:70])
    lines.insert(111, lines[64])
    return "".join(f"{line}\n" for line in lines)


def is_text(value):
    return isinstance(value, str)


def is_int64(value):
    return isinstance(value, int) and not isinstance(value, bool) and -I64_MAX - 1 <= value <= I64_MAX


def fits_schema(order):
    return (
        isinstance(order, dict)
        and all(is_text(order.get(name)) for name in ("order_id", "currency", "placed_at", "country"))
        and (order.get("customer_id") is None or is_text(order["customer_id"]))
        and isinstance(order.get("cancelled"), bool)
        and isinstance(order.get("lines"), list)
        and all(
            is_text(line.get("sku"))
            and is_text(line.get("description"))
            and is_int64(line.get("quantity"))
            and is_int64(line.get("unit_price_minor"))
            for line in order["lines"]
        )
    )


def judge(order):
    """The first thing wrong with an order, or its total in minor units."""
    if not (order.get("customer_id") or "").strip():
        return "no customer", None
    if not order["lines"]:
        return "no lines", None
    if order["currency"] not in {currency for _, currency, _, _ in MARKETS}:
        return "unknown currency", None
    for line in order["lines"]:
        for field, name in (("quantity", "quantity"), ("unit_price_minor", "price")):
            if line[field] == 0:
                return f"zero {name}", None
            if line[field] < 0:
                return f"negative {name}", None
    total = sum(line["quantity"] * line["unit_price_minor"] for line in order["lines"])
    return ("total overflows", None) if total > I64_MAX else (None, total)


def add_up(sample):
    """Reads the sample with eyes of its own and says what must come of it."""
    seen, refused = {}, []
    duplicates = 0
    documents = {"invoices": {}, "credit_notes": {}}
    dead = {}
    lines = sample.splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            order = json.loads(line)
        except json.JSONDecodeError:
            refused.append({"line": number, "reason": "not JSON"})
            continue
        if not fits_schema(order):
            refused.append({"line": number, "reason": "does not fit the schema"})
            continue
        if order["order_id"] in seen:
            if seen[order["order_id"]] == order:
                duplicates += 1
            else:
                refused.append({"line": number, "reason": "same order_id, other content"})
            continue
        seen[order["order_id"]] = order
        reason, total = judge(order)
        if reason:
            dead[reason] = dead.get(reason, 0) + 1
            continue
        sums = documents["credit_notes" if order["cancelled"] else "invoices"]
        entry = sums.setdefault(order["currency"], {"count": 0, "total_minor": 0})
        entry["count"] += 1
        entry["total_minor"] += total
    return {
        "read": len(lines),
        "placed": len(seen),
        "refused": refused,
        "duplicates": duplicates,
        **{name: dict(sorted(sums.items())) for name, sums in documents.items()},
        "dead_lettered": dict(sorted(dead.items())),
    }


def table(expected):
    rows = [
        ("read", expected["read"]),
        ("placed", expected["placed"]),
        ("refused at the door", len(expected["refused"])),
        ("duplicates", expected["duplicates"]),
    ]
    for name in ("invoices", "credit_notes"):
        for currency, entry in expected[name].items():
            sum_text = f"{entry['count']}, in minor units {entry['total_minor']}"
            rows.append((f"{name.replace('_', ' ')} {currency}", sum_text))
    rows += [(f"dead-lettered: {reason}", count) for reason, count in expected["dead_lettered"].items()]
    rows += [(f"refused: line {entry['line']}", entry["reason"]) for entry in expected["refused"]]
    return "| | |\n|---|---|\n" + "".join(f"| {name} | {value} |\n" for name, value in rows)


def main():
    sample = make_sample()
    expected = add_up(sample)
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    before, rest = readme.split(MARK[0])
    _, after = rest.split(MARK[1])
    files = {
        "sample.jsonl": sample,
        "expected.json": json.dumps(expected, indent=2) + "\n",
        "README.md": before + MARK[0] + table(expected) + MARK[1] + after,
    }
    stale = [
        name
        for name, text in files.items()
        if not (HERE / name).exists() or (HERE / name).read_bytes() != text.encode()
    ]
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"examples/orders/{name} is not what generate.py makes; type: make sample", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (HERE / name).write_bytes(files[name].encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
