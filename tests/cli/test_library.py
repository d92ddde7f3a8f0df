"""The installed library as an embedder uses it: pkg-config, one example, the C++ run time alone."""
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from command import grey_png, use_small_data

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("ESPALIER", ROOT / "build/app/espalier")).resolve().parent.parent


class Library(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="espalier-lib-"))

    def tearDown(self):
        shutil.rmtree(self.folder)

    def call(self, *words, **options):
        result = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=300,
                                **options)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def test_examples_build_against_the_installed_library_and_run(self):
        self.call("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", self.folder)
        package, = self.folder.rglob("espalier.pc")
        prefix = next(folder for folder in self.folder.rglob("include/espalier")).parent.parent
        flags = self.call("pkg-config", f"--define-variable=prefix={prefix}", "--cflags", "--libs",
                          "espalier", env={**os.environ, "PKG_CONFIG_PATH": str(package.parent)})
        for name in "operation", "train", "predict":
            self.call("c++", "-std=c++20", ROOT / f"examples/{name}.cpp", *flags.split(), "-o",
                      self.folder / name)
        self.assertIn("the tape says", self.call(self.folder / "operation"))
        use_small_data()
        trained = self.call(self.folder / "train", os.environ["ESPALIER_DATA"], self.folder / "run")
        model = trained.splitlines()[-1].partition(": ")[0]
        grey_png(self.folder / "square.png")
        said = self.call(self.folder / "predict", model, self.folder / "square.png")
        self.assertEqual(len(said.splitlines()), 10)
        needs = {line.split()[0] for line in self.call("ldd", self.folder / "predict").splitlines()}
        allowed = ("linux-vdso", "libc.", "libm.", "libstdc++", "libgcc_s", "libpthread",
                   "/lib", "ld-linux")
        self.assertFalse({name for name in needs if not name.startswith(allowed)}, needs)


if __name__ == "__main__":
    unittest.main()
