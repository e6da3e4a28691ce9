"""An OpenAPI 3.1 description, read: its operations, whether an answer is one that it
describes, and requests made from it by hypothesis."""
import base64
import json
import re
import tempfile
import urllib.parse

import jsonschema
from hypothesis import configuration
from hypothesis import strategies as st

from lib.case import check
from lib.web import JSON

# What hypothesis keeps it does not keep here.
KEPT = tempfile.TemporaryDirectory(prefix="cretula-test-")
configuration.set_hypothesis_home_dir(KEPT.name)

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
DEPTH = 3       # of what is generated
# What the structure of a description has to be, as far as this one uses it.
STRUCTURE = {
    "type": "object",
    "required": ["openapi", "info", "paths", "components"],
    "additionalProperties": False,
    "properties": {
        "openapi": {"const": "3.1.0"},
        "info": {"type": "object", "required": ["title", "version"]},
        "jsonSchemaDialect": {
            "const": "https://json-schema.org/draft/2020-12/schema"},
        "servers": {"type": "array", "items": {"required": ["url"]}},
        "security": {"type": "array", "items": {"type": "object"}},
        "tags": {"type": "array", "items": {"required": ["name"]}},
        "components": {
            "type": "object", "additionalProperties": False,
            "properties": {
                "securitySchemes": {"additionalProperties": {
                    "required": ["type"]}},
                "responses": {"additionalProperties": {
                    "$ref": "#/$defs/response"}},
                "schemas": {"propertyNames": {"pattern": "^[A-Za-z]+$"}}}},
        "paths": {"propertyNames": {"pattern": "^/"},
                  "additionalProperties": {"$ref": "#/$defs/item"}}},
    "$defs": {
        "reference": {"required": ["$ref"], "maxProperties": 1,
                      "properties": {"$ref": {"pattern": "^#/"}}},
        "item": {"anyOf": [
            {"$ref": "#/$defs/reference"},
            {"type": "object", "additionalProperties": False, "properties": {
                "parameters": {"items": {"$ref": "#/$defs/parameter"}},
                **{m: {"$ref": "#/$defs/operation"} for m in METHODS}}}]},
        "parameter": {"required": ["name", "in", "required", "schema"],
                      "properties": {"in": {"enum": ["path", "query"]},
                                     "required": {"type": "boolean"}}},
        "operation": {
            "type": "object", "additionalProperties": False,
            "required": ["operationId", "summary", "responses", "tags"],
            "properties": {
                "operationId": {"type": "string"},
                "summary": {"type": "string"},
                "description": {"type": "string"},
                "tags": {"type": "array"}, "security": {"type": "array"},
                "requestBody": {"required": ["content"]},
                "responses": {
                    "propertyNames": {"pattern": "^[1-5][0-9][0-9]$"},
                    "required": ["200"],
                    "additionalProperties": {"anyOf": [
                        {"$ref": "#/$defs/reference"},
                        {"$ref": "#/$defs/response"}]}}}},
        "response": {"type": "object", "required": ["description"],
                     "additionalProperties": False,
                     "properties": {"description": {"type": "string"},
                                    "headers": {"type": "object"},
                                    "content": {"additionalProperties": {
                                        "required": ["schema"]}}}}},
}


class Described:
    def __init__(self, text):
        self.doc = json.loads(text)
        self.resolver = jsonschema.RefResolver("", self.doc)

    def resolve(self, value):
        while "$ref" in value:
            value = self.resolver.resolve(value["$ref"])[1]
        return value

    def errors(self, value, schema):
        v = jsonschema.Draft202012Validator(schema, resolver=self.resolver)
        return ["%s: %s" % (list(e.path), e.message)
                for e in v.iter_errors(value)]

    def operations(self):
        for path, item in self.doc["paths"].items():
            item = self.resolve(item)
            for method in METHODS:
                if method in item:
                    yield Operation(self, path, method.upper(), item,
                                    item[method])

    def schemas(self):
        """(where, schema) of all that stand alone."""
        yield from self.doc["components"]["schemas"].items()
        for o in self.operations():
            for p in o.parameters:
                yield "%s %s" % (o, p["name"]), p["schema"]
            for where, content in o.contents():
                yield where, content["schema"]

    def references(self, value=None):
        value = self.doc if value is None else value
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            value = list(value.values())
        if isinstance(value, list):
            for v in value:
                yield from self.references(v)


class Operation:
    def __init__(self, of, path, method, item, operation):
        self.of, self.path, self.method = of, path, method
        self.parameters = item.get("parameters", [])
        # its parameter may be several segments, or none
        self.rest = any("x-cretula-rest" in p for p in self.parameters)
        self.operation = operation
        content = operation.get("requestBody", {}).get("content", {})
        self.kind = next(iter(content), None)
        self.body = content.get(self.kind)
        self.responses = {int(status): of.resolve(r) for status, r
                          in operation["responses"].items()}

    def __str__(self):
        return "%s %s" % (self.method, self.path)

    def contents(self):
        """(where, media type object) of body and answers."""
        if self.body:
            yield "%s body" % self, self.body
        for status, r in self.responses.items():
            for kind, content in r.get("content", {}).items():
                yield "%s %d %s" % (self, status, kind), content

    def target(self, values):
        """The path and query, with values for its parameters."""
        safe = "/" if self.rest else ""
        path = re.sub(r"\{(\w+)\}", lambda m: urllib.parse.quote(
            values[m.group(1)], safe=safe), self.path)
        query = ["%s=%s" % (p["name"], urllib.parse.quote(values[p["name"]],
                                                         safe=""))
                 for p in self.parameters
                 if p["in"] == "query" and p["name"] in values]
        return path + ("?" + "&".join(query) if query else "")

    def example(self, **real):
        """(target, body) of the description's own examples; real: values that
        stand for an example of a parameter."""
        values = {p["name"]: real.get(p["name"], p["example"])
                  for p in self.parameters}
        return (self.target(values),
                self.body and self.body.get("example", b"no request"))

    def ask(self, web, target, body):
        """On that connection; a body of the kind that is described."""
        return web.ask(self.method, target, body,
                       **({"Content_Type": self.kind} if self.body else {}))

    def judge(self, answer):
        """The answer is one that is described."""
        check(answer.status in self.responses, "a status that is described",
              str(self), answer)
        content = self.responses[answer.status].get("content", {})
        if not content:
            check(not answer.body, "no body", str(self), answer)
            return
        check(answer.type in content, "a type that is described", str(self),
              answer)
        value = answer.body
        if "json" in answer.type:
            value = json.loads(value)
        elif answer.type.startswith("text/"):
            value = value.decode()
        wrong = self.of.errors(value, content[answer.type]["schema"])
        check(not wrong, "a body that is described", str(self), answer, wrong)
        if json_type(value).endswith((":limited", ":unavailable")):
            check(answer.headers["Retry-After"].isdigit(), "Retry-After")

    def requests(self, known, **real):
        """A strategy of (target, body). known: words that mean something."""
        word = st.one_of(st.sampled_from(known),
                         st.text(min_size=1, max_size=40).filter(encodes))
        target = st.one_of(
            st.fixed_dictionaries(
                {p["name"]: word for p in self.parameters if p["required"]},
                optional={p["name"]: word for p in self.parameters
                          if not p["required"]}).map(self.target), st.just(self.example(**real)[0]))
        if not self.body:
            return st.tuples(target, st.none())
        if self.kind != JSON:
            return st.tuples(target, st.binary(max_size=64))
        example = self.body["example"]
        made = self.of_schema(self.body["schema"])
        return st.tuples(target, st.one_of(
            made, st.just(example), made.map(lambda m: {**example, **m}),
            anything(), st.binary(max_size=64)))

    def of_schema(self, schema):
        return from_schema(self.of, schema, DEPTH)


def json_type(value):
    return value.get("type", "") if isinstance(value, dict) else ""


def encodes(text):
    try:
        return bool(text.encode())
    except UnicodeEncodeError:
        return False


def plain():
    return st.text(max_size=12).filter(encodes)


def anything():
    return st.recursive(
        st.none() | st.booleans() | st.integers() | plain()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(plain(), inner, max_size=3), max_leaves=8)


def strings(schema):
    pattern = schema.get("pattern", "")
    if schema.get("contentEncoding") == "base64":
        return st.binary(max_size=12).map(
            lambda b: base64.b64encode(b).decode())
    if pattern:
        return st.from_regex(re.compile(pattern), fullmatch=True)
    return plain()


def from_schema(of, schema, depth):
    """What a schema allows, as far as the descriptions here say it."""
    if "$ref" in schema:
        return from_schema(of, of.resolve(schema), depth)
    if "anyOf" in schema:
        some = schema["anyOf"] if depth else schema["anyOf"][:1]
        return st.one_of([from_schema(of, s, depth) for s in some])
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema["type"]
    if kind == "array":
        return arrays(of, schema, depth - 1)
    if kind == "object":
        return objects(of, schema, depth - 1)
    return {"string": lambda: strings(schema), "null": st.none,
            "boolean": st.booleans,
            "integer": lambda: st.integers(schema.get("minimum"),
                                           schema.get("maximum"))}[kind]()


def arrays(of, schema, depth):
    if "prefixItems" in schema:
        return st.tuples(*[from_schema(of, s, max(depth, 0))
                           for s in schema["prefixItems"]]).map(list)
    if depth < 0:
        return st.just([])
    return st.lists(from_schema(of, schema["items"], depth), max_size=4)


def objects(of, schema, depth):
    own = schema.get("properties", {})
    fixed = {n: from_schema(of, s, max(depth, 0)) for n, s in own.items()}
    need = {n: fixed[n] for n in schema.get("required", [])}
    may = {n: s for n, s in fixed.items() if n not in need}
    more = schema.get("additionalProperties", True)
    out = st.fixed_dictionaries(need, optional=may)
    if not isinstance(more, dict) or depth < 0:
        return out
    names = from_schema(of, schema.get("propertyNames", {"type": "string"}), 0)
    return st.tuples(st.dictionaries(names, from_schema(of, more, depth),
                                     max_size=3), out).map(
        lambda two: {**two[0], **two[1]})
