#!/usr/bin/env python3
"""tools/mutate: what each operator makes of a line, that texts and comments stay, and how results are counted."""
import contextlib
import io
import pathlib
import tempfile
import types
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
mutate = types.ModuleType("mutate")
vars(mutate)["__file__"] = str(ROOT / "tools/mutate")
exec((ROOT / "tools/mutate").read_text(encoding="utf-8"), vars(mutate))

# (operator, line, one of its mutants)
EXAMPLES = [
    ("plus to minus", "  x = a + b;", "  x = a - b;"),
    ("minus to plus", "  x = a[1] - (b);", "  x = a[1] + (b);"),
    ("times to over", "  x = a * b;", "  x = a / b;"),
    ("over to times", "  x = a / b;", "  x = a * b;"),
    ("rest to product", "  x = a % b;", "  x = a * b;"),
    ("add to subtract", "  x += a;", "  x -= a;"),
    ("subtract to add", "  x -= a;", "  x += a;"),
    ("multiply to divide", "  x *= a;", "  x /= a;"),
    ("up to down", "  ++x;", "  --x;"),
    ("down to up", "  --x;", "  ++x;"),
    ("less to at most", "  return a < b;", "  return a <= b;"),
    ("at most to less", "  return a <= b;", "  return a < b;"),
    ("more to at least", "  return a > b;", "  return a >= b;"),
    ("at least to more", "  return a >= b;", "  return a > b;"),
    ("less to at least", "  return a < b;", "  return a >= b;"),
    ("more to at most", "  return a > b;", "  return a <= b;"),
    ("equal to unequal", "  return a == b;", "  return a != b;"),
    ("unequal to equal", "  return a != b;", "  return a == b;"),
    ("and to or", "  return a && b;", "  return a || b;"),
    ("or to and", "  return a || b;", "  return a && b;"),
    ("not dropped", "  return !a;", "  return a;"),
    ("condition negated", '  if (f(a, "(") == b) return c;', '  if (!(f(a, "(") == b)) return c;'),
    ("shift turned", "  x = a << b;", "  x = a >> b;"),
    ("shift back turned", "  x = a >> b;", "  x = a << b;"),
    ("bits and to or", "  x = a & b;", "  x = a | b;"),
    ("bits or to and", "  x = a | b;", "  x = a & b;"),
    ("number + 1", "  x = f(7);", "  x = f(8);"),
    ("number - 1", "  x = f(7);", "  x = f(6);"),
    ("fraction doubled", "  x = 0.25;", "  x = 0.5;"),
    ("true to false", "  x = true;", "  x = false;"),
    ("false to true", "  x = false;", "  x = true;"),
    ("min to max", "  x = std::min(a, b);", "  x = std::max(a, b);"),
    ("max to min", "  x = std::max(a, b);", "  x = std::min(a, b);"),
    ("arguments swapped", "  x = f(a, b.c);", "  x = f(b.c, a);"),
    ("break dropped", "    break;", "    ;"),
    ("continue dropped", "    if (a) continue;", "    if (a) ;"),
    ("statement dropped", '  if (a) write("b;");', "  if (a) ;"),
    ("return dropped", "  if (a) return b;", "  if (a) ;"),
]


def mutants(text):
    return mutate.mutants_of("src/io/x.cc", text)


class Mutate(unittest.TestCase):
    def test_every_operator(self):
        self.assertEqual([name for name, _, _ in mutate.OPERATORS], [name for name, _, _ in EXAMPLES])
        for name, line, after in EXAMPLES:
            with self.subTest(name):
                self.assertIn(after, [mutant.after for mutant in mutants(line) if mutant.operator == name])

    def test_texts_and_comments_stay(self):
        self.assertEqual([], mutants('  // a == b, 1 + 2\n  /* a < b\n     c && d */\n#define X 1 + 2\nusing A = B<1>;'))
        for mutant in mutants('  throw FormatError("1 == 2 && \\"3 < 4\\"", a);  // 5 > 6'):
            self.assertEqual("statement dropped", mutant.operator)
        self.assertEqual({"  x = f('\\'', 1 == 2);  // 3"} & {m.after for m in mutants("  x = f('\\'', 1 != 2);  // 3")}, {"  x = f('\\'', 1 == 2);  // 3"})

    def test_declarations_stay(self):
        self.assertEqual([], [m for m in mutants("  const auto x = f(a);\n  return f(a);\n  auto y = g();") if m.operator == "statement dropped"])

    def test_score(self):
        row = {"file": "src/io/x.cc", "line": 1, "operator": "o", "before": "a"}
        rows = [dict(row, result="killed", after=str(i)) for i in range(3)] + [dict(row, result="survived", after="f(  b );"),
                dict(row, result="survived", after="c"), dict(row, result="did not compile", after="d")]
        with tempfile.TemporaryDirectory() as folder:
            mutate.EQUIVALENT = pathlib.Path(folder, "equivalent")
            mutate.EQUIVALENT.write_text("# why\nsrc/io/x.cc | f(b); | nobody can see it\n")
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                mutate.report(rows)
        self.assertIn("| io | 6 | 3 | 1 | 1 | 1 | 75.0 % |", out.getvalue())
        self.assertIn("survived: src/io/x.cc:1 (o)\n  - a\n  + c\n", out.getvalue())
        self.assertNotIn("f(", out.getvalue())


if __name__ == "__main__":
    unittest.main()
