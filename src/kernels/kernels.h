// All kernels.
#pragma once

#include "kernels/blur/blur.h"
#include "kernels/conv/conv.h"
#include "kernels/conv/global.h"
#include "kernels/conv/pooled.h"
#include "kernels/eltwise/activation.h"
#include "kernels/eltwise/eltwise.h"
#include "kernels/eltwise/update.h"
#include "kernels/gemm/dense.h"
#include "kernels/implementation.h"
#include "kernels/norm/norm.h"
#include "kernels/pad/pad.h"
#include "kernels/polyphase/polyphase.h"
#include "kernels/pool/pool.h"
#include "kernels/reduce/loss.h"
#include "kernels/reduce/softmax.h"
