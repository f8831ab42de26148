"""Networks wired anew from the layers of another one."""

from linn import errors
from linn.keras import _structure, layers as _layers
from linn.keras._model import Model, Sequential, _from_node, _places


def clone_model(model, input_tensors=None, clone_function=None, call_function=None, recursive=False):
    """The same network with new weights. With none of the other arguments it is compiled as the model is.

    Args:
        model: A model.
        input_tensors: Values of `keras.Input` in place of the inputs, in their form.
        clone_function: `clone_function(layer)` gives what takes a layer's place: a new layer, or the layer itself, to share its weights.
        call_function: `call_function(layer, inputs)` gives the layer's output. Not for Sequential.
        recursive: Whether models inside the model are cloned in the same way.
    """
    if input_tensors is None and clone_function is None and call_function is None and not recursive:
        return _from_node(model._node())
    made = {}

    def clone(layer):
        if layer.name not in made:
            if recursive and isinstance(layer, Model):
                made[layer.name] = clone_model(layer, None, clone_function, None if isinstance(layer, Sequential) else call_function, True)
            else:
                made[layer.name] = (clone_function or _anew)(layer)
        return made[layer.name]

    if isinstance(model, Sequential):
        if call_function is not None:
            raise errors.ValueError("clone_model: call_function is for models that are no Sequential")
        inputs = [_structure.leaves(input_tensors)[0]] if input_tensors is not None else [_input_like(v) for v in model.inputs] if model.built else []
        return Sequential([*inputs, *(clone(layer) for layer in model.layers)], name=model.name)
    if input_tensors is None:
        inputs = [_input_like(value) for value in model.inputs]
    else:
        if isinstance(input_tensors, dict) != isinstance(model._input_structure, dict):
            raise errors.ValueError("clone_model: input_tensors must have the form of model.input")
        inputs = _structure.leaves_like(model._input_structure, input_tensors, "input_tensors")
    outputs = _wired_anew(model, inputs, clone, call_function or (lambda layer, value, **options: layer(value, **options)))
    return Model(_structure.packed(model._input_structure, inputs), model._packed(outputs), name=model.name)


def _anew(layer):
    made = type(layer)
    if isinstance(layer, _layers.NestedModel):
        made = Model if "input_layers" in layer.get_config() else Sequential
    return made.from_config(layer.get_config())


def _input_like(value):
    return _layers.Input(batch_shape=value.shape, name=value.name)


def _wired_anew(model, inputs, layer_of, call):
    # The outputs of a network of other layers that is wired as the model is. `values` holds what each call gave, by its place.
    config = model._node()["config"]
    values = dict(zip(map(tuple, _places(config["input_layers"])[0]), inputs))

    def value_at(part):
        if isinstance(part, list):
            return [value_at(inner) for inner in part]
        return values[tuple(part["config"]["keras_history"])]

    waiting = [(entry["name"], i, node) for entry in config["layers"] for i, node in enumerate(entry["inbound_nodes"])]
    while waiting:
        name, i, node = waiting.pop(0)
        try:
            value = value_at(node["args"][0])
        except KeyError:  # a call that another one still has to feed
            waiting.append((name, i, node))
            continue
        options = {key: node["kwargs"][key] for key in ("training",) if node["kwargs"].get(key) is not None}
        for k, output in enumerate(_structure.leaves(call(layer_of(model.get_layer(name)), value, **options))):
            values[name, i, k] = output
    return [values[tuple(place)] for place in _places(config["output_layers"])[0]]
