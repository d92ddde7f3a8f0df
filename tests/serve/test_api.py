"""What the server answers is what the files and the command say."""
import base64
import json
import os
import shutil
import subprocess
import unittest

from server import ESPALIER, Server, ServerCase, new_folder, trained_run


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


class Api(ServerCase):
    def test_the_page_is_guarded_by_its_headers(self):
        for path, kind in (("/", "text/html; charset=utf-8"), ("/api/machine", "application/json")):
            status, headers, _ = self.server.request("GET", path)
            self.assertEqual(status, 200)
            self.assertEqual(headers["Content-Type"], kind)
            policy = headers["Content-Security-Policy"]
            for part in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"):
                self.assertIn(part, policy)
            self.assertNotIn("unsafe", policy)
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
            self.assertEqual(headers["Referrer-Policy"], "no-referrer")
            self.assertEqual(headers["Cache-Control"], "no-store")

    def test_head_answers_without_a_body(self):
        status, headers, body = self.server.request("HEAD", "/api/machine")
        self.assertEqual((status, body), (200, b""))
        self.assertGreater(int(headers["Content-Length"]), 0)

    def test_settings_hold_every_verb_and_only_types_that_the_page_knows(self):
        settings = self.server.get("/api/settings")
        self.assertEqual(set(settings), {"train", "compress", "learn", "profile", "bench"})
        for form in settings.values():
            for field in form["fields"]:
                self.assertIn(field["type"], ("model", "choice", "integer", "number"))
                if field["type"] in ("integer", "number"):
                    self.assertLessEqual(field["minimum"], field["default"])
                    self.assertLessEqual(field["default"], field["maximum"])
                if field["type"] == "choice":
                    self.assertIn(field["default"], [each["value"] for each in field["choices"]])
        epochs = settings["train"]["fields"][1]
        config = json.loads((self.server.runs / "tiny/config.json").read_text())
        self.assertEqual(epochs["defaults_by"]["values"]["vit-tiny"], config["epochs"])

    def test_models_are_told_as_their_files_have_them(self):
        models = {model["id"]: model for model in self.server.get("/api/models")["models"]}
        best = models[self.model]
        path = self.server.runs / "tiny/checkpoints/best.safetensors"
        self.assertEqual(best["bytes"], path.stat().st_size)
        self.assertTrue(best["fp32"])
        told = subprocess.run([ESPALIER, "inspect", path], capture_output=True, text=True).stdout
        self.assertIn(str(best["parameters"]), told.replace(",", ""))
        self.assertIn("vit-fashion", models)
        self.assertFalse(models["vit-fashion"]["fp32"])
        self.assertEqual([each for each in models if "last" in each], [])
        status, headers, body = self.server.request("GET", f"/api/models/{self.model}/artefact")
        self.assertEqual((status, body), (200, path.read_bytes()))
        self.assertIn("attachment", headers["Content-Disposition"])

    def test_predictions_are_those_of_the_command(self):
        folder = new_folder()
        status, headers, png = self.server.request("GET", "/api/data/test/3689.png")
        self.assertEqual((status, headers["Content-Type"]), (200, "image/png"))
        (folder / "test.png").write_bytes(png)
        said = subprocess.run([ESPALIER, "predict", self.server.runs / "tiny/checkpoints/best.safetensors",
                               folder / "test.png", "--top", "10", "--json"], capture_output=True, check=True)
        expected = {each["class"]: each["confidence"] for each in json.loads(said.stdout)[0]["predictions"]}
        test = self.server.get("/api/data/test/3689")
        for image in ({"test": 3689}, {"pixels": test["pixels"]}, {"file": base64.b64encode(png).decode()}):
            answer = self.server.post("/api/predict", {"models": [self.model], "image": image})
            result = answer["results"][0]
            self.assertEqual({each["name"]: each["confidence"] for each in result["classes"]}, expected)
            confidences = [each["confidence"] for each in result["classes"]]
            self.assertEqual(confidences, sorted(confidences, reverse=True))
            self.assertEqual(answer["pixels"], test["pixels"])
            self.assertGreater(result["seconds"], 0)
            grid, values = result["attention"]["grid"], result["attention"]["values"]
            self.assertEqual(len(values), grid[0] * grid[1])
            self.assertAlmostEqual(sum(values), 1, delta=len(values) * 2**-23)

    def test_inverted_pictures_are_turned_over(self):
        test = self.server.get("/api/data/test/7")
        dark = [255 - value for value in test["pixels"]]
        answer = self.server.post("/api/predict", {"models": [self.model],
                                                   "image": {"pixels": dark, "invert": True}})
        self.assertEqual(answer["pixels"], test["pixels"])

    def test_what_cannot_be_predicted_is_refused_with_the_reason(self):
        for body, argument in (({"models": ["nothing"], "image": {"test": 1}}, "models"),
                               ({"models": ["vit-tiny"], "image": {"test": 1}}, "models"),
                               ({"models": [self.model] * 5, "image": {"test": 1}}, "models"),
                               ({"models": [self.model], "image": {"pixels": [0] * 783}}, "pixels"),
                               ({"models": [self.model], "image": {"pixels": [256] * 784}}, "pixels"),
                               ({"models": [self.model], "image": {"file": "AAAA"}}, "file"),
                               ({"models": [self.model], "image": {}}, "image")):
            answer = self.server.post("/api/predict", body, expect=422)
            self.assertEqual(answer["argument"], argument)
            self.assertEqual(len(answer["error"].splitlines()), 1)
        self.server.post("/api/predict", {"models": [self.model], "image": {"test": 10_000}}, expect=404)

    def test_a_run_is_told_as_its_files_have_it(self):
        folder = self.server.runs / "tiny"
        run = self.server.get("/api/runs/tiny")
        self.assertEqual(run["config"], json.loads((folder / "config.json").read_text()))
        self.assertEqual(run["env"], json.loads((folder / "env.json").read_text()))
        self.assertEqual(run["metrics"], lines_of(folder / "metrics.jsonl"))
        for file in run["files"]:
            status, _, body = self.server.request("GET", f"/api/runs/tiny/files/{file['path']}")
            self.assertEqual((status, body), (200, (folder / file["path"]).read_bytes()), file["path"])
        self.assertIn("report.md", [file["path"] for file in run["files"]])
        epochs = [line for line in run["metrics"] if "validation_accuracy" in line]
        self.assertEqual(run["summary"]["validation_accuracy"],
                         max(line["validation_accuracy"] for line in epochs))

    def test_a_run_without_validation_images_counts_its_epochs(self):
        folder = self.server.runs / "unjudged"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"model": {"name": "vit-tiny"}, "epochs": 1, "validation": 0}))
        (folder / "metrics.jsonl").write_text(json.dumps({"step": 3, "epoch": 0, "train_loss": 2.3, "seconds": 0.5}))
        try:
            run = self.server.get("/api/runs/unjudged")
        finally:
            shutil.rmtree(folder)
        self.assertEqual(run["state"], "done")
        self.assertEqual(run["summary"], {"model": "vit-tiny", "epochs": 1, "epochs_done": 1, "steps": 3, "seconds": 0.5})


class Names(unittest.TestCase):
    def test_those_that_are_no_utf8_take_no_list_down(self):
        runs = new_folder()
        run = runs / os.fsdecode(b"caf\xe9")
        shutil.copytree(trained_run(), run)
        shutil.copy(run / "checkpoints/best.safetensors", run / os.fsdecode(b"gr\xfcn.safetensors"))
        server = Server(runs)
        self.addCleanup(server.close)
        self.assertEqual([each["id"] for each in server.get("/api/runs")["runs"]], ["caf\ufffd"])
        self.assertEqual({each["id"] for each in server.get("/api/models")["models"] if each["run"]},
                         {"caf\ufffd:checkpoints:best", "caf\ufffd:gr\ufffdn"})
        told = server.get("/api/runs/caf%E9")
        self.assertIn("gr\ufffdn.safetensors", [each["path"] for each in told["files"]])
        self.assertIn("caf\ufffd", server.get("/api/runs/caf%E9/files/absent.txt", expect=404)["error"])

    def test_a_folder_of_runs_that_is_no_utf8_takes_no_jobs(self):
        server = Server(new_folder() / os.fsdecode(b"caf\xe9"))
        self.addCleanup(server.close)
        refused = server.post("/api/jobs", {"verb": "bench", "arguments": {}}, expect=422)
        self.assertIn("is no UTF-8", refused["error"])
        self.assertEqual(server.get("/api/jobs")["jobs"], [])


class Compressed(ServerCase):
    """A compression from the page, and its numbers."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.job = cls.server.submit("compress", model=cls.model, dtype="int8", sparsity=0.5,
                                    max_steps=5, seconds=0.1)
        cls.done = cls.server.wait(cls.job["id"])
        cls.folder = cls.server.runs / cls.job["id"]

    def test_it_is_done_and_says_what_a_shell_would_run(self):
        self.assertEqual((self.done["state"], self.done["code"], self.done["error"]), ("done", 0, None))
        self.assertEqual(self.done["progress"]["share"], 1)
        self.assertIn("--report", self.done["command"])
        self.assertIn("--recover 1", self.done["command"])

    def test_numbers_are_those_of_the_files(self):
        report = json.loads((self.folder / "report.json").read_text())
        run = self.server.get(f"/api/runs/{self.job['id']}")
        self.assertEqual(run["results"]["report"], report)
        self.assertEqual(run["state"], "done")
        combined = next(each for each in report["models"] if each["label"] == report["headline"])
        summary = run["summary"]
        for name in ("file_bytes", "parameters", "accuracy", "half_interval_95"):
            self.assertEqual(summary[name], combined[name])
        self.assertEqual(summary["bytes_before"], report["models"][0]["file_bytes"])
        speed = next(each for each in combined["speeds"] if each["batch"] == 1)
        self.assertEqual(summary["images_per_second"], speed["images_per_second"])
        self.assertEqual(summary["times_as_fast"], speed["times_as_fast"])
        models = {each["name"]: each for each in self.server.get("/api/models")["models"]
                  if each["run"] == self.job["id"]}
        self.assertEqual(set(models), {"baseline", "quantised", "pruned", "combined"})
        for each in report["models"]:
            listed = models[each["label"]]
            self.assertEqual((listed["accuracy"], listed["accuracy_of"]), (each["accuracy"], "test"))
            self.assertEqual(listed["bytes"], each["file_bytes"])
            self.assertEqual((listed["parameters"], listed["dtype"]), (each["parameters"], each["dtype"]))

    def test_pareto_holds_every_model_of_the_report(self):
        report = json.loads((self.folder / "report.json").read_text())
        front = self.server.get(f"/api/pareto?run={self.job['id']}")
        self.assertEqual([point["name"] for point in front["points"]],
                         [each["label"] for each in report["models"]])
        for point, each in zip(front["points"], report["models"]):
            self.assertEqual(point["accuracy"], each["accuracy"])
            self.assertEqual(point["seconds"], each["speeds"][0]["seconds"])
            self.assertTrue(point["model"])
        self.assertTrue(any(point["on_front"] for point in front["points"]))

    def test_float_and_integer_models_answer_side_by_side(self):
        ids = [f"{self.job['id']}:{name}" for name in ("baseline", "quantised", "combined")]
        results = self.server.post("/api/predict", {"models": ids, "image": {"test": 0}})["results"]
        self.assertEqual([result["model"] for result in results], ids)
        self.assertEqual([result["dtype"] for result in results], ["f32", "int8", "int8"])
        self.assertIsNotNone(results[0]["attention"])
        self.assertIsNone(results[1]["attention"])

    def test_profiles_and_ceilings_are_kept_in_their_folders(self):
        profile = self.server.submit("profile", model=f"{self.job['id']}:quantised", seconds=0.1)
        bench = self.server.submit("bench")
        for job, name in ((profile, "profile"), (bench, "hardware")):
            self.assertEqual(self.server.wait(job["id"])["state"], "done")
            kept = json.loads((self.server.runs / job["id"] / f"{name}.json").read_text())
            self.assertEqual(self.server.get(f"/api/runs/{job['id']}")["results"][name], kept)
        self.assertEqual(self.server.get("/api/machine")["hardware"], kept)


if __name__ == "__main__":
    unittest.main()
