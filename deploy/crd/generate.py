#!/usr/bin/env python3
"""Makes flinkclusters.yaml, the CustomResourceDefinition of FlinkCluster.

    generate.py           write flinkclusters.yaml
    generate.py --check   exit 1 if flinkclusters.yaml is not what would be written

Three inputs, each with one kind of fact:

    schema.json        the structure that stored objects and clients rely on: fields, types, bounds, defaults
    rules.yaml         what is added to it: fields, bounds and admission rules (CEL)
    descriptions.yaml  what 'kubectl explain' says about each field

Needs PyYAML only. A field of FlinkCluster without a description, or a description without a field, is an error:
embedded Kubernetes types (a volume, a probe, ...) are described as a whole and not inside.
"""

import copy
import json
import pathlib
import sys

import yaml

HERE = pathlib.Path(__file__).resolve().parent
OUTPUT = HERE / "flinkclusters.yaml"
HEADER = "# Made by generate.py from schema.json, rules.yaml and descriptions.yaml. Do not edit.\n"


def load(name):
    with open(HERE / name, encoding="utf-8") as file:
        return json.load(file) if name.endswith(".json") else yaml.safe_load(file)


def find(schema, path):
    """The schema node at a dotted path; 'a[]' enters the items of a list, 'a{}' the values of a map."""
    for name in path.split(".") if path else []:
        field = name.removesuffix("[]").removesuffix("{}")
        schema = schema["properties"][field]
        if name.endswith("[]"):
            schema = schema["items"]
        elif name.endswith("{}"):
            schema = schema["additionalProperties"]
    return schema


def expand(value, words):
    """Replace $NAME in every string of a YAML value."""
    if isinstance(value, str):
        for name in sorted(words, key=len, reverse=True):
            value = value.replace("$" + name, words[name])
        return value
    if isinstance(value, list):
        return [expand(item, words) for item in value]
    if isinstance(value, dict):
        return {key: expand(item, words) for key, item in value.items()}
    return value


def definitions(rules):
    """Named expressions; a later one may use the ones before it."""
    words = {}
    for name, text in rules["define"].items():
        words[name] = " ".join(expand(text, words).split())
    return words


def instances(entry):
    """One copy of an entry for each component it is meant for, with $COMPONENT, $component, ... filled in."""
    for component in entry.get("for", [None]):
        yield {} if component is None else {"COMPONENT": component, "component": component.lower()}


def add_fields(root, rules):
    for path, addition in rules["fields"].items():
        parent, _, name = path.rpartition(".")
        node = find(root, parent)
        field = name.removesuffix("[]").removesuffix("{}")
        if field in node.get("properties", {}):
            find(root, path).update(copy.deepcopy(addition))
        else:
            node.setdefault("properties", {})[name] = copy.deepcopy(addition)


def add_rules(root, rules):
    words = definitions(rules)
    for entry in rules["rules"]:
        for component in instances(entry):
            made = {}
            for key in ("rule", "message", "messageExpression", "fieldPath", "reason", "optionalOldSelf"):
                if key not in entry:
                    continue
                value = expand(expand(entry[key], component), {**words, **component})
                value = expand(value, component)
                made[key] = " ".join(value.split()) if isinstance(value, str) else value
            if "message" not in made:
                sys.exit(f"rules.yaml: {entry['id']}: no message")
            node = find(root, expand(entry["path"], component))
            node.setdefault("x-kubernetes-validations", []).append(made)


def describe(node, text, path, missing):
    """Put descriptions into a schema node. A mapping describes the node ('_') and its fields."""
    if isinstance(text, str):
        node["description"] = " ".join(text.split()) if "\n\n" not in text else text.strip()
        return
    if "_" in text:
        describe(node, text["_"], path, missing)
    elif path:
        missing.append(path)
    inside = node.get("items", node)
    fields = inside.get("properties", {})
    for name in text:
        if not name.startswith((".", "_")) and text[name] is not None and name not in fields:
            missing.append(f"{path}.{name}: described, but no such field")
    for name, field in fields.items():
        where = f"{path}.{name}".lstrip(".")
        if name in text:
            describe(field, text[name], where, missing)
        elif where != "metadata":  # the API server describes it itself
            missing.append(where)


def ordered(node):
    """Description first, properties last: the order a reader wants."""
    if isinstance(node, list):
        return [ordered(item) for item in node]
    if not isinstance(node, dict):
        return node
    first = [key for key in ("description", "type") if isinstance(node.get(key), str)]
    last = [key for key in ("items", "properties") if isinstance(node.get(key), dict)]
    rest = sorted(key for key in node if key not in first and key not in last)
    return {key: ordered(node[key]) for key in first + rest + last}


def crd():
    made = load("schema.json")
    rules = load("rules.yaml")
    made["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved"}
    made["metadata"]["labels"] = {"app": "flink-operator"}
    root = made["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    add_fields(root, rules)
    add_rules(root, rules)
    missing = []
    describe(root, load("descriptions.yaml"), "", missing)
    if missing:
        sys.exit("descriptions.yaml: wrong or missing:\n  " + "\n  ".join(missing))
    made["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = ordered(root)
    return {key: made[key] for key in ("apiVersion", "kind", "metadata", "spec")}


class Dumper(yaml.SafeDumper):
    """No anchors: every node is written where it is."""

    def ignore_aliases(self, data):
        return True


def main(arguments):
    if arguments not in ([], ["--check"]):
        sys.exit(__doc__)
    made = crd()
    if arguments:
        if not OUTPUT.exists() or yaml.load(OUTPUT.read_text("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader)) != made:
            sys.exit(f"{OUTPUT.name} is stale: run deploy/crd/generate.py")
        return
    text = HEADER + yaml.dump(made, Dumper=Dumper, sort_keys=False, width=110, allow_unicode=True)
    OUTPUT.write_text(text, "utf-8")
    print(f"{OUTPUT.name}: {len(text)} bytes")


main(sys.argv[1:])
