"""Steps of small networks as Keras takes them in float64, for the scripts that use this module.

Keras trains and evaluates by its own train_on_batch and evaluate, run eagerly. Weights, inputs and targets are float32 numbers; results are
rounded to float32 once. A case NAME of FILE.json holds the configuration, with float32 in the place of float64; its tensors in
FILE.safetensors are
  NAME/x, NAME/y, NAME/start/I, NAME/output   I counts the model's weights; the output is that of prediction with the first weights
  NAME/evaluate                               the loss of all images at once, and in batches of `batch`
  NAME/grad/I                                 of trainable weight I, at the first weights and without a step (cases with "gradient")
  NAME/losses, NAME/end/I                     of `steps` steps of SGD(0.1, momentum=0.9) on all images, and the weights behind them
"""

import json

import make_golden as mg
import numpy as np
import tensorflow as tf

keras = mg.keras
keras.config.set_floatx("float64")


class Networks:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.tensors, self.cases = {}, []

    def normal(self, *shape):
        return self.rng.standard_normal(shape).astype(np.float32)

    def add(self, name, model, images=7, batch=3, steps=4, gradient=True, zeros=()):
        """`zeros`: the places of weights that begin with zeros."""
        x, y = self.normal(images, *model.input_shape[1:]), self.normal(images, *model.output_shape[1:])
        start = [(0.4 * self.normal(*w.shape)).astype(np.float32) for w in model.weights]
        for i in zeros:
            start[i][:] = 0
        model.compile(optimizer=keras.optimizers.SGD(0.1, momentum=0.9), loss=keras.losses.MeanSquaredError(), run_eagerly=True)
        model.set_weights(start)
        out = {"x": x, "y": y, "output": model.predict(x, verbose=0),
               "evaluate": np.array([model.evaluate(x, y, batch_size=n, verbose=0) for n in (images, batch)])}
        wide = tf.constant(x.astype(np.float64)), tf.constant(y.astype(np.float64))
        if gradient:
            with tf.GradientTape() as tape:
                loss = keras.losses.MeanSquaredError()(wide[1], model(wide[0], training=True))
                total = loss + sum(model.losses)
            for i, g in enumerate(tape.gradient(total, [v.value for v in model.trainable_variables])):
                out[f"grad/{i}"] = g.numpy()
            model.set_weights(start)
        losses = []
        for _ in range(steps):
            model.reset_metrics()
            losses.append(model.train_on_batch(*wide))
        out["losses"] = np.array(losses)
        for i, (first, last) in enumerate(zip(start, model.get_weights(), strict=True)):
            out |= {f"start/{i}": first, f"end/{i}": last}
        self.tensors |= {f"{name}/{key}": value for key, value in out.items()}
        config = json.loads(json.dumps(mg.model_config(model)).replace('"float64"', '"float32"'))
        self.cases.append({"name": name, "model": config, "images": images, "batch": batch, "steps": steps, "gradient": gradient,
                           "weights": [w.name for w in model.weights]})

    def write(self, name, what):
        mg.save(name, self.tensors)
        mg.save_json(name + ".json", {"what": what, "keras": keras.__version__, "cases": self.cases})
