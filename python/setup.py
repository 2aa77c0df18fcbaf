"""Puts the engine into the wheel: the bundle of the checkout around this folder, and the native packages that it loads."""

import json
import os
import shutil
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

CHECKOUT = Path(__file__).resolve().parent.parent


def native_packages(name, found):
    """An installed Node package and those that it depends on, the ones for other platforms left out."""
    folder = CHECKOUT / "node_modules" / name
    if name in found or not folder.is_dir():
        return found
    found.append(name)
    manifest = json.loads((folder / "package.json").read_text())
    for other in [*manifest.get("dependencies", {}), *manifest.get("optionalDependencies", {})]:
        native_packages(other, found)
    return found


class BuildWithEngine(build_py):
    def run(self):
        shutil.rmtree(self.build_lib, ignore_errors=True)  # of an earlier build
        super().run()
        if not (CHECKOUT / "dist" / "cli" / "main.js").exists():
            raise SystemExit(f"{CHECKOUT} holds no built engine: run `npm run build` there first (wheels are built in a checkout)")
        engine = Path(self.build_lib) / "dl_driver" / "_engine"
        for name in ("bin", "configs", "dist"):
            shutil.copytree(CHECKOUT / name, engine / name)
        shutil.copy(CHECKOUT / "LICENSE", engine)
        manifest = json.loads((CHECKOUT / "package.json").read_text())
        kept = {key: manifest[key] for key in ("name", "version", "type", "license", "engines", "dependencies")}
        (engine / "package.json").write_text(json.dumps(kept, indent=2) + "\n")
        packages = []
        for name in manifest["dependencies"]:
            if not (CHECKOUT / "node_modules" / name).is_dir():
                raise SystemExit(f"{CHECKOUT}: {name} is not installed: run `npm install` there first")
            native_packages(name, packages)
        for name in packages:
            # Sources of native code are of no use without a compiler.
            ignore = shutil.ignore_patterns("vendor", "*.cc", "*.hh", "*.map", "docs", "doc")
            shutil.copytree(CHECKOUT / "node_modules" / name, engine / "node_modules" / name, ignore=ignore)


class PlatformDistribution(Distribution):
    def has_ext_modules(self):
        return True


class PlatformWheel(bdist_wheel):
    """For any Python 3 of this platform: what is native in the wheel is Node's."""

    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


os.chdir(Path(__file__).resolve().parent)
setup(distclass=PlatformDistribution, cmdclass={"build_py": BuildWithEngine, "bdist_wheel": PlatformWheel})
