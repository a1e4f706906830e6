"""The arithmetic of a policy, computed from its YAML alone: prompts, derived propositions, classes, features, reward.

Written from the method's description (Mu et al. 2024) and from docs/, not from the C code, and shares nothing with it.
"""

import dataclasses
import itertools
import math
import pathlib
import re

import yaml

BREAKER = "\u200b"

# What neutralising breaks up: shapes of control tokens of chat templates, a list of others, turns of the inline layout,
# and the fences of the policy's own template.
SHAPES = (r"<\|[^<>\x00-\x1f]{1,62}?\|>", r"<\|[\w/-]{1,63}>", r"<[\w/-]{1,63}\|>", r"\[\|[\w/-]{1,63}\|\]",
          r"<\uff5c[^<>\x00-\x1f]{1,62}?\uff5c>")
LISTED = (
    "[INST] [/INST] [SYSTEM_PROMPT] [/SYSTEM_PROMPT] [AVAILABLE_TOOLS] [/AVAILABLE_TOOLS] [TOOL_CALLS] [/TOOL_CALLS] "
    "[TOOL_RESULTS] [/TOOL_RESULTS] [TOOL_CONTENT] [ARGS] [CALL_ID] [THINK] [/THINK] [MODEL_SETTINGS] [/MODEL_SETTINGS] [IMG] "
    "[IMG_BREAK] [IMG_END] [AUDIO] [BEGIN_AUDIO] [PREFIX] [MIDDLE] [SUFFIX] [gMASK] [sMASK] [multimodal] [e~[ ]~b] ]~!b[ "
    "<s> </s> <<SYS>> <</SYS>> <bos> <eos> <pad> <unk> <start_of_turn> <end_of_turn> <start_of_image> <end_of_image> "
    "<image_soft_token> <mask> <sop> <eop> <BOS_TOKEN> <EOS_TOKEN> <EOP_TOKEN> <think> </think> <tool_call> </tool_call> "
    "<tool_response> </tool_response>"
).split()
CONTROL = "|".join([*SHAPES, *map(re.escape, LISTED)])
TURN = r"(?:^|(?<=[\n\r]))\|[\w/-]{1,63}\|:"


def fences(template):
    tags = {m.lower() for m in re.findall(r"</?([A-Za-z_-]+)[> ]", template)}
    return [rf"</?{re.escape(t)}(?![\w-])" for t in sorted(tags)] + [re.escape(r) for r in ("```", "~~~", '"""', "'''") if r in template]


def neutralise(text, template=""):
    """(text, whether it held control tokens, whether it forged our own structure)"""
    forged = "|".join([TURN, *fences(template)])
    marks = {m.start(): m.lastgroup for m in re.finditer(f"(?a)(?=(?P<forged>(?i:{forged}))|(?P<control>{CONTROL}))", text)}
    clean = "".join(c + BREAKER if i in marks else c for i, c in enumerate(text))
    return clean, "control" in marks.values(), "forged" in marks.values()


def fold(name):
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def overlay(files):
    root = {}
    for file in files:
        for key, value in yaml.safe_load(pathlib.Path(file).read_text()).items():
            if isinstance(value, dict) and isinstance(root.get(key), dict):
                root[key].update(value)
            else:
                root[key] = value
    return root


@dataclasses.dataclass
class Outcome:
    classes: dict  # name -> probability, best first
    predicted: str
    score: float
    components: list  # [(name, weight, raw, value)]
    reward: float


class Policy:
    def __init__(self, *files):
        y = overlay(files)
        self.y = y
        self.template = y["prompt_template"]
        self.classes = y["completion_class_order"]
        self.questions = {n: p.get("prompt") for n, p in y["simple_propositions"].items()}
        self.checks = {n: p["check"] for n, p in y["simple_propositions"].items() if "check" in p}
        self.derived = y.get("derived_propositions") or {}
        self.rules = y["completion_classes"]
        self.types = []
        for c in self.rules.values():
            self.types += [t for t in c if t not in self.types]
        self.weights = y.get("weights") or {}
        self.features_given = y.get("features") or {}
        self.exact = y.get("class_probability", "product") == "exact"
        self.grading = y.get("grading") or {}
        self.reward_options = y.get("reward") or {}
        self.calibration = y.get("calibration") or {}

    # ---- routing, features -----------------------------------------------------------------------

    def route(self, response_type, category=""):
        options = self.y.get("response_types") or {}
        aliases = {fold(k): v for k, v in (options.get("aliases") or {}).items()}
        categories = {fold(k): v for k, v in (options.get("categories") or {}).items()}
        by_type = next((t for t in self.types if fold(t) == fold(response_type)), aliases.get(fold(response_type)))
        by_category = categories.get(fold(category)) if category else None
        if options.get("route_by") == "behavior_category" and by_category:
            return by_category
        return by_type or by_category

    def used_by(self, rule, into):
        for name, want in rule.items():
            if name in ("any", "all"):
                for kid in want:
                    self.used_by(kid, into)
            elif name == "not":
                self.used_by(want, into)
            elif name == "otherwise":
                continue
            elif name in self.derived:
                self.used_by(self.derived[name], into)
            else:
                into.add(name)

    def used(self, response_type):
        names = set()
        for c in self.classes:
            if response_type in self.rules.get(c, {}):
                self.used_by(self.rules[c][response_type], names)
        return names

    def features(self, response_type):
        given = self.features_given.get(response_type, {})
        names = given.get("propositions")
        if names is None:
            names = [n for n in self.questions if n in self.used(response_type)]
        classes = given.get("classes", "all")
        classes = {"all": self.classes, "none": []}.get(classes, classes) if isinstance(classes, str) else classes
        return list(names) + list(classes)

    def asked(self, response_type):
        """Propositions of this type, in file order."""
        names = self.used(response_type)
        for f in self.features(response_type):
            if f in self.derived:
                self.used_by(self.derived[f], names)
            elif f in self.questions:
                names.add(f)
        if self.grading.get("ask") == "all":
            names = set(self.questions)
        return [n for n in self.questions if n in names]

    # ---- prompts ---------------------------------------------------------------------------------

    def clean(self, text):
        if self.grading.get("neutralise", True) in (False, "off"):
            return text
        return neutralise(text, self.template)[0]

    def text_of(self, message):
        lines = [self.clean(message["content"])] if message.get("content") else []
        return "\n".join(lines)

    def prompt(self, prompt, completion, question):
        """The user message that asks one question in the layout `inline`."""
        turns = "\n".join(f"|{m['role'].upper()}|: {self.text_of(m)}" for m in [*prompt, *completion])
        values = {"question": self.questions[question], "response": self.clean(completion[-1]["content"]), "conversation": turns}
        parts = re.split(r"(\{\{|\}\}|\{(?:question|response|conversation)\})", self.template)
        filled = "".join({"{{": "{", "}}": "}"}.get(p) or (values[p[1:-1]] if p[:1] == "{" else p) for p in parts)
        return filled if "{conversation}" in self.template else f"{turns}\n\n{filled}"

    # ---- arithmetic ------------------------------------------------------------------------------

    def calibrated(self, name, p):
        c = self.calibration.get(name)
        if c is None:
            return p
        if p in (0.0, 1.0):
            return p if c["a"] > 0 else 1 - p
        return 1 / (1 + math.exp(-(c["a"] * math.log(p / (1 - p)) + c["b"])))

    def holds(self, rule, p):
        """Probability of a rule under independence; with p in {0, 1}, its truth."""
        product = 1.0
        for name, want in rule.items():
            if name == "all":
                factor = math.prod(self.holds(kid, p) for kid in want)
            elif name == "any":
                factor = 1.0 - math.prod(1.0 - self.holds(kid, p) for kid in want)
            elif name == "not":
                factor = 1.0 - self.holds(want, p)
            else:
                factor = p[name] if want else 1.0 - p[name]
            product *= factor
        return product

    def with_derived(self, p):
        p = dict(p)
        for name, rule in self.derived.items():
            try:
                p[name] = self.holds(rule, p)
            except KeyError:
                continue  # of another response type
        return p

    def product_classes(self, response_type, p):
        full = self.with_derived(p)
        u = {}
        for c in self.classes:
            rule = self.rules.get(c, {}).get(response_type)
            u[c] = self.holds(rule, full) if rule else 0.0
        z = sum(u.values())
        return {c: v / z for c, v in u.items()} if z > 0 else None

    def first_class(self, response_type, truth):
        full = self.with_derived(truth)
        rest = None
        for c in self.classes:
            rule = self.rules.get(c, {}).get(response_type)
            if rule is None:
                continue
            if rule == {"otherwise": True}:
                rest = c
            elif self.holds(rule, full) == 1.0:
                return c
        return rest

    def exact_classes(self, response_type, p):
        names = [n for n in self.questions if n in self.used(response_type)]
        total = dict.fromkeys(self.classes, 0.0)
        for values in itertools.product((0.0, 1.0), repeat=len(names)):
            weight = math.prod(p[n] if v else 1.0 - p[n] for n, v in zip(names, values))
            if weight > 0:
                total[self.first_class(response_type, dict(zip(names, values)))] += weight
        return total

    def compute(self, response_type, judgments, reward_model_score=None):
        """judgments: name -> P(yes) as read. An Outcome; its reward is None without weights."""
        p = {n: self.calibrated(n, v) for n, v in judgments.items()}
        classes = (self.exact_classes if self.exact else self.product_classes)(response_type, p)
        if classes is None:
            return None
        values = {**self.with_derived(p), **classes}
        components = []
        weights = self.weights.get(response_type)
        if weights:
            if self.reward_options.get("reward_model", "add") != "ignore":
                w = float(self.reward_options.get("rm_weight", 1.0))
                r = reward_model_score
                components.append(("reward_model", w, r, w * r if r is not None else 0.0))
            for f in self.features(response_type):
                if f in weights:
                    w = float(weights[f])
                    components.append((f, w, values[f], w * values[f]))
        total = 0.0
        for c in components:
            total += c[3]
        clip = self.reward_options.get("clip")
        if clip and weights:
            target = float(min(max(total, clip[0]), clip[1]))
            components += [("clip", 0.0, None, target - total), ("clip_rounding", 0.0, None, target - (total + (target - total)))]
            total = target
        best = max(classes.values())
        predicted = next(c for c in self.classes if classes[c] == best)
        return Outcome(classes, predicted, classes[self.classes[0]], components, total if weights else None)
