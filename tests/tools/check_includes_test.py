#!/usr/bin/env python3
"""tools/check_includes.py against small trees, good and bad."""
import contextlib
import importlib.util
import io
import pathlib
import tempfile
import unittest

PATH = pathlib.Path(__file__).resolve().parents[2] / "tools" / "check_includes.py"
spec = importlib.util.spec_from_file_location("check_includes", PATH)
checker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(checker)
GOOD = {
    "include/linn/shape.h": "// room: core\n#pragma once\n#include <vector>\n",
    "include/linn/layer.h": '// room: layers\n#include <string_view>\n#include "linn/shape.h"\n',
    "include/linn/linn.h": '// room: model\n#include "linn/layer.h"\n',
    "src/core/random.h": "#include <cstdint>\n",
    "src/kernels/resample/area.h": '#include "core/random.h"\n#include "hwy/highway.h"\n',
    "src/kernels/pool/pool.h": '#include "core/random.h"\n',
    "src/layers/pool.cc": '#include "linn/layer.h"\n#include <fmt/format.h>\n#include "kernels/pool/pool.h"\n',
    "src/data/image.cc": '#include "kernels/resample/area.h"\n#include "linn/shape.h"\n',
    "src/cli/main.cc": '#include "linn/linn.h"\n#include <CLI/CLI.hpp>\n',
}


class CheckIncludes(unittest.TestCase):
    def run_on(self, changes):
        with tempfile.TemporaryDirectory() as root:
            for name, text in {**GOOD, **changes}.items():
                path = pathlib.Path(root, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            return self.run_main(root)

    def run_main(self, root):
        """The exit status and what was printed."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            status = checker.main([root])
        return status, printed.getvalue()

    def accepts(self, changes):
        status, printed = self.run_on(changes)
        self.assertEqual(status, 0, printed)

    def refuses(self, changes, *texts):
        status, printed = self.run_on(changes)
        self.assertEqual(status, 1, printed)
        for text in texts:
            self.assertIn(text, printed)

    def test_good_tree(self):
        self.accepts({})

    def test_empty_tree_is_no_success(self):
        with tempfile.TemporaryDirectory() as root:
            self.assertEqual(self.run_main(root)[0], 1)

    def test_against_the_arrows(self):
        self.refuses({"src/core/tree.cc": '#include <vector>\n#include "kernels/pool/pool.h"\n'},
                     'src/core/tree.cc:2: "kernels/pool/pool.h": core may not include kernels')

    def test_a_public_header_is_part_of_its_room(self):
        self.refuses({"src/plan/op.cc": '#include "linn/layer.h"\n'}, "plan may not include layers")
        self.refuses({"include/linn/shape.h": '// room: core\n#include "linn/layer.h"\n'}, "core may not include layers")

    def test_python_is_a_room(self):
        self.refuses({"python/bindings/m.cc": '#include "cli/c.h"\n', "src/cli/c.h": ""}, "python may not include cli")
        self.refuses({"python/bindings/m.cc": '#include "bindings/there_is_none.h"\n'}, "includes are written from src/")
        self.accepts({"python/bindings/m.cc": '#include "bindings/m.h"\n#include "core/c.h"\n', "python/bindings/m.h": "", "src/core/c.h": ""})

    def test_same_level(self):
        self.refuses({"src/formats/h5.h": "", "src/data/idx.cc": '#include "formats/h5.h"\n'}, "data may not include formats")
        self.refuses({"src/data/idx.h": "", "src/formats/h5.cc": '#include "data/idx.h"\n'}, "formats may not include data")
        self.refuses({"src/web/page.h": "", "src/cli/serve.cc": '#include "web/page.h"\n'}, "cli may not include web")

    def test_data_may_resize_and_no_more(self):
        self.refuses({"src/data/idx.cc": '#include "kernels/pool/pool.h"\n'}, "data may not include kernels")
        self.refuses({"src/data/idx.cc": '#include "linn/layer.h"\n'}, "data may not include layers")

    def test_public_headers_stay_standard(self):
        self.refuses({"include/linn/a.h": "// room: core\n#include <fmt/format.h>\n"}, "include/linn/a.h:2: <fmt/format.h>")
        self.refuses({"include/linn/a.h": "// room: core\n#include <stdint.h>\n"}, "<stdint.h>")
        self.refuses({"include/linn/a.h": '// room: core\n#include "core/random.h"\n'}, '"core/random.h"')

    def test_public_header_names_its_room(self):
        self.refuses({"include/linn/a.h": "#pragma once\n"}, "include/linn/a.h:1:")
        self.refuses({"include/linn/a.h": "// room: cellar\n"}, "include/linn/a.h:1:")

    def test_paths_are_written_from_src(self):
        self.refuses({"src/core/tree.cc": '#include "random.h"\n'}, "includes are written from src/")
        self.refuses({"src/core/tree.cc": '#include "../core/random.h"\n'}, "includes are written from src/")
        self.refuses({"src/core/tree.cc": '#include "linn/nothing.h"\n'}, "there is no such public header")

    def test_unknown_room(self):
        self.refuses({"src/cellar/a.cc": ""}, "src/cellar is no room")

    def test_comments_and_spacing(self):
        self.accepts({"src/core/tree.cc": '// #include "plan/plan.h"\n/*\n#include "plan/plan.h"\n*/\n'})
        self.refuses({"src/core/tree.cc": '/* a\n b */\n  #  include   "layers/x.h"  // why\n', "src/layers/x.h": ""},
                     'src/core/tree.cc:3: "layers/x.h"')

    def test_highway_target_include(self):
        self.refuses({"src/io/a.cc": '#define HWY_TARGET_INCLUDE "kernels/pool/pool.h"\n'}, "io may not include kernels")


if __name__ == "__main__":
    unittest.main()
