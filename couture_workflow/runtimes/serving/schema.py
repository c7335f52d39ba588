"""Makes message classes from the ``.proto`` files beside it, in a pool of their own.

Generated code would depend on the version of protobuf, and TensorFlow registers the same names in the common
pool. The files use a part of the language: messages, enums, maps, ``oneof`` and proto3's plain fields.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

_FOLDER = Path(__file__).parent / "protos"
_TOKEN = re.compile(r'"[^"]*"|[\w.]+|[{}<>=;,]')
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    name: getattr(_Field, f"TYPE_{name.upper()}")
    for name in ("float", "double", "int32", "int64", "uint32", "uint64", "bool", "string", "bytes")
}
#: Set for every field of a type that is named: the pool finds out whether it is a message or an enum.
_NAMED = None


class _Reader:
    """Turns the words of one file into its descriptor."""

    def __init__(self, name: str, text: str) -> None:
        self.words = _TOKEN.findall(re.sub(r"//[^\n]*", "", text))[::-1]
        self.file = descriptor_pb2.FileDescriptorProto(name=name, syntax="proto3")

    def take(self, *wanted: str) -> str:
        word: str = self.words.pop()
        if wanted and word not in wanted:
            raise ValueError(f"{self.file.name}: {wanted[0]!r} should stand where {word!r} stands")
        return word

    def statement(self) -> list[str]:
        """Return the words up to the next semicolon."""
        words = []
        while (word := self.words.pop()) != ";":
            words.append(word)
        return words

    def read(self) -> descriptor_pb2.FileDescriptorProto:
        while self.words:
            word = self.take()
            if word == "message":
                self.message(self.file.message_type.add())
            elif word == "enum":
                self.enum(self.file.enum_type.add())
            else:
                *_, value = self.statement()
                if word == "package":
                    self.file.package = value
                elif word == "import":
                    self.file.dependency.append(value.strip('"'))
        return self.file

    def enum(self, found: descriptor_pb2.EnumDescriptorProto) -> None:
        found.name = self.take()
        self.take("{")
        while self.words[-1] != "}":
            name, _, number = self.statement()
            found.value.add(name=name, number=int(number))
        self.take("}")

    def message(self, found: descriptor_pb2.DescriptorProto) -> None:
        found.name = self.take()
        self.take("{")
        while (word := self.take()) != "}":
            if word == "message":
                self.message(found.nested_type.add())
            elif word == "enum":
                self.enum(found.enum_type.add())
            elif word == "oneof":
                self.oneof(found)
            else:
                self.field(found, [word, *self.statement()])

    def oneof(self, found: descriptor_pb2.DescriptorProto) -> None:
        found.oneof_decl.add(name=self.take())
        self.take("{")
        while self.words[-1] != "}":
            self.field(found, self.statement())
            found.field[-1].oneof_index = len(found.oneof_decl) - 1
        self.take("}")

    def field(self, found: descriptor_pb2.DescriptorProto, words: list[str]) -> None:
        """Add one field: ``repeated TYPE NAME = NUMBER`` or ``map<KEY, VALUE> NAME = NUMBER``."""
        *kind, name, _, number = words
        field = found.field.add(name=name, number=int(number), label=_Field.LABEL_OPTIONAL)
        if kind[0] == "map":
            entry = found.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
            entry.options.map_entry = True
            for index, part in enumerate((kind[2], kind[4]), start=1):
                one = entry.field.add(name=("key", "value")[index - 1], number=index)
                one.label = _Field.LABEL_OPTIONAL
                _set_type(one, part)
            field.label, field.type, field.type_name = _Field.LABEL_REPEATED, _Field.TYPE_MESSAGE, entry.name
            return
        if kind[0] == "repeated":
            field.label = _Field.LABEL_REPEATED
        _set_type(field, kind[-1])


def _set_type(field: descriptor_pb2.FieldDescriptorProto, name: str) -> None:
    if name in _SCALARS:
        field.type = _SCALARS[name]
    else:
        field.type_name = name


def _pool() -> descriptor_pool.DescriptorPool:
    found = descriptor_pool.DescriptorPool()
    for module in (any_pb2, wrappers_pb2):
        found.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    for name in ("tensorflow.proto", "serving.proto", "onnx.proto"):
        found.Add(_Reader(name, (_FOLDER / name).read_text()).read())
    return found


POOL = _pool()


def message(name: str) -> Any:
    """Return the class of a message such as ``tensorflow.TensorProto``."""
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(name))


def enum_names(name: str) -> dict[int, str]:
    """Return the names of an enum by number."""
    return {value.number: value.name for value in POOL.FindEnumTypeByName(name).values}
