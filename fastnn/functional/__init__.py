"""The public ops: one documented function each, one call into the compiled core each.

Names, argument names and defaults are those of ``torch.nn.functional`` where it has the op. Every
differentiable op ``f`` has a sibling ``f_backward``. Arrays are float32 or float64, all of one
dtype (on a CUDA device also float16 and bfloat16, see ``docs/cuda.md``); shapes are NCHW, memory
of outputs of rank 3 and more is channels-last (N, spatial, C).
This list is the only list of ops: a new op adds its line here.
"""

from .activations import *
from .adaptive_avg_pool2d import *
from .add import *
from .augment import *
from .avg_pool2d import *
from .batch_norm import *
from .conv2d import *
from .conv_transpose2d import *
from .dropout import *
from .elementwise_losses import *
from .fractional_max_pool2d import *
from .global_norm import *
from .group_norm import *
from .input_activations import *
from .layer_norm import *
from .layout import *
from .linear import *
from .matmul import *
from .max_pool2d import *
from .maxout import *
from .multiclass_hinge import *
from .optimizer_steps import *
from .prelu import *
from .softmax import *
from .softmax_cross_entropy import *
