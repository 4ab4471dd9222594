#include "ops/augment.h"

#include <cmath>

#include "python/support/arguments.h"

namespace fastnn {
namespace {

constexpr const char* kOp = "augment";

AugmentRange range(const char* name, py::handle value, double least) {
  const std::string need = "a pair (least, most)";
  if (!py::isinstance<py::sequence>(value) || py::isinstance<py::str>(value) || py::len(value) != 2)
    fail_type(kOp, name, need, describe(value));
  const auto pair = py::reinterpret_borrow<py::sequence>(value);
  const AugmentRange r{number_at_least(kOp, name, py::object(pair[0]), least),
                       number_at_least(kOp, name, py::object(pair[1]), least)};
  if (r.least > r.most) fail_value(kOp, name, need, describe(value));
  return r;
}
// Shares of an area, or aspects: positive.
AugmentRange positive_range(const char* name, py::handle value, double most) {
  const AugmentRange r = range(name, value, 0);
  if (r.least <= 0 || r.most > most)
    fail_value(kOp, name, most < INFINITY ? "a pair in (0, 1]" : "a pair of positive numbers", describe(value));
  return r;
}
AugmentRange logarithms(AugmentRange r) { return {std::log(r.least), std::log(r.most)}; }

uint64_t threshold(const char* name, py::handle p) {
  return static_cast<uint64_t>(std::floor(number_in(kOp, name, p, 0, 1) * 4294967296.0));
}

std::vector<double> numbers(const char* name, py::handle value, int64_t count, double missing) {
  if (value.is_none()) return std::vector<double>(static_cast<size_t>(count), missing);
  if (!py::isinstance<py::sequence>(value) || py::isinstance<py::str>(value))
    fail_type(kOp, name, std::to_string(count) + " numbers", describe(value));
  const auto items = py::reinterpret_borrow<py::sequence>(value);
  if (static_cast<int64_t>(py::len(items)) != count)
    fail_value(kOp, name, std::to_string(count) + " numbers, one a channel", describe(value));
  std::vector<double> found;
  for (py::handle item : items) found.push_back(number(kOp, name, item));
  return found;
}

template <class Enum>
Enum word(const char* name, py::handle value, std::initializer_list<const char*> words) {
  int i = 0;
  std::string need;
  for (const char* w : words) {
    if (py::isinstance<py::str>(value) && value.cast<std::string>() == w) return static_cast<Enum>(i);
    need += (i++ ? ", \"" : "\"") + std::string(w) + "\"";
  }
  fail_value(kOp, name, "one of " + need, describe(value));
}

std::vector<int64_t> read_int64(const View& view, int64_t below) {
  if (view.dtype_name() != "int64") fail_type(kOp, view.name(), "int64", view.got());
  view.need_rank(1, 1);
  std::vector<int64_t> values(static_cast<size_t>(view.shape[0]));
  for (int64_t i = 0; i < view.shape[0]; ++i) {
    int64_t& value = values[static_cast<size_t>(i)];
    __builtin_memcpy(&value, view.data + i * view.strides[0], sizeof value);
    if (value < 0 || value >= below)
      fail_value(kOp, view.name(), "in [0, " + std::to_string(below) + ")", std::to_string(value));
  }
  return values;
}

// A device's numbers as they are: the host cannot wait to read them. Copied, they are words of eight bytes.
const int64_t* device_int64(const View& view, std::optional<Dense<double>>& dense) {
  if (view.dtype_name() != "int64") fail_type(kOp, view.name(), "int64", view.got());
  view.need_rank(1, 1);
  dense.emplace(view);
  return reinterpret_cast<const int64_t*>(dense->data());
}

Dtype parse_dtype(py::handle value) {
  const py::object type = py::module_::import("numpy").attr("dtype")(value);
  const std::string name = py::str(type);
  if (name == "float32") return Dtype::f32;
  if (name == "float64") return Dtype::f64;
  fail_type(kOp, "dtype", "float32 or float64", name);
}

template <class T>
py::array run(AugmentArgs<T> a) {
  if (a.width == 0) a.width = num_threads();
  py::array y = new_array<T>({a.n, a.c, a.oh, a.ow});
  a.y = data_of<T>(y);
  const Workspace workspace(augment_workspace(a));
  a.workspace = workspace.get();
  without_gil(y.nbytes(), [&] { augment(a); });
  return y;
}

template <class T, class From>
AugmentArgs<T> as(const From& from) {
  AugmentArgs<T> to;
  static_assert(sizeof to == sizeof from);
  __builtin_memcpy(static_cast<void*>(&to), &from, sizeof to);  // they differ in the type of y alone
  return to;
}

py::array augment_images(py::handle x_, py::handle index_, py::handle sample_, py::handle seed, py::handle epoch,
                         py::handle size, py::handle crop, py::handle padding, py::handle padding_mode, py::handle fill,
                         py::handle scale, py::handle ratio, py::handle horizontal_flip, py::handle vertical_flip,
                         py::handle brightness, py::handle contrast, py::handle saturation, py::handle pca,
                         py::handle noise, py::handle mean, py::handle std_, py::handle max_value, py::handle cutout,
                         py::handle erase, py::handle erase_scale, py::handle erase_ratio, py::handle erase_value,
                         py::handle dtype, py::handle threads) {
  const View x(kOp, "x", x_);
  if (x.dtype_name() != "uint8") fail_type(kOp, "x", "uint8", x.got());
  x.need_rank(4, 4);
  AugmentArgs<float> a{};
  const int64_t images = a.images = x.shape[0];
  a.x = reinterpret_cast<const uint8_t*>(x.data);
  a.c = x.shape[1], a.h = x.shape[2], a.w = x.shape[3];
  a.stride_n = x.strides[0], a.stride_c = x.strides[1], a.stride_h = x.strides[2], a.stride_w = x.strides[3];

  std::vector<int64_t> index, sample;
  std::optional<Dense<double>> device_index, device_sample;
  const auto given_index = optional_view(kOp, "index", index_), given_sample = optional_view(kOp, "sample", sample_);
  if (on_device()) {
    if (given_index) a.index = device_int64(*given_index, device_index);
    if (given_sample) a.sample = reinterpret_cast<const uint64_t*>(device_int64(*given_sample, device_sample));
    a.n = given_index ? given_index->shape[0] : images;
  } else {
    if (given_index) {
      index = read_int64(*given_index, images);
    } else {
      for (int64_t i = 0; i < images; ++i) index.push_back(i);
    }
    sample = given_sample ? read_int64(*given_sample, INT64_MAX) : index;
    a.index = index.data(), a.sample = reinterpret_cast<const uint64_t*>(sample.data());
    a.n = static_cast<int64_t>(index.size());
  }
  if (given_sample) given_sample->need_shape({a.n});
  a.seed = word64(kOp, "seed", seed);
  const uint64_t epochs = word64(kOp, "epoch", epoch);
  if (epochs >> 32) fail_value(kOp, "epoch", "an integer in [0, 2^32)", describe(epoch));
  a.epoch = static_cast<uint32_t>(epochs);

  a.crop = word<AugmentCrop>("crop", crop, {"random", "center", "resized", "whole"});
  a.padding = word<AugmentPadding>("padding_mode", padding_mode, {"constant", "edge", "reflect", "symmetric"});
  const Pair out = size.is_none() ? Pair{a.h, a.w} : int_pair(kOp, "size", size, 1);
  const Pair pad = int_pair(kOp, "padding", padding, 0);
  a.oh = out.h, a.ow = out.w, a.pad_h = pad.h, a.pad_w = pad.w;
  product(kOp, "the output", {a.n, a.c, a.oh, a.ow});
  if (on_device() && a.c * a.oh * a.ow > INT32_MAX)
    fail_value(kOp, "size", "of less than 2^31 values an image on a device", to_string({a.c, a.oh, a.ow}));
  const bool resized = a.crop == AugmentCrop::resized || a.crop == AugmentCrop::whole;
  const int64_t least = a.padding == AugmentPadding::reflect ? 1 : 0;  // the edge is not repeated
  if (resized && (pad.h || pad.w)) fail_value(kOp, "padding", "0 where a part is resized", describe(padding));
  if (resized && (a.h == 0 || a.w == 0)) fail_value(kOp, "x", "of images with pixels to resize", x.got());
  if (a.padding != AugmentPadding::constant && (pad.h || pad.w)) {
    const bool short_rows = pad.h > a.h - least, short_columns = pad.w > a.w - least;
    const bool mirrored = a.padding != AugmentPadding::edge;
    if ((mirrored && (short_rows || short_columns)) || a.h == 0 || a.w == 0)
      fail_value(kOp, "padding", "small enough to mirror x " + to_string(x.shape), describe(padding));
  }
  if (!resized && (a.oh > a.h + 2 * pad.h || a.ow > a.w + 2 * pad.w))
    fail_value(kOp, "size", "at most x with its padding, " + to_string({a.h + 2 * pad.h, a.w + 2 * pad.w}),
               to_string({a.oh, a.ow}));
  const int64_t filler = integer(kOp, "fill", fill, 0);
  if (filler > 255) fail_value(kOp, "fill", "an integer in [0, 255]", describe(fill));
  a.fill = static_cast<uint8_t>(filler);
  a.scale = positive_range("scale", scale, 1);
  a.ratio = positive_range("ratio", ratio, INFINITY);
  a.log_ratio = logarithms(a.ratio);
  a.flip_h = threshold("horizontal_flip", horizontal_flip), a.flip_v = threshold("vertical_flip", vertical_flip);

  a.brightness = range("brightness", brightness, 0), a.contrast = range("contrast", contrast, 0);
  a.saturation = range("saturation", saturation, 0);
  const auto active = [](AugmentRange r) { return r.least != 1 || r.most != 1; };
  a.brighten = active(a.brightness), a.contrasting = active(a.contrast), a.saturate = active(a.saturation);
  a.has_pca = !pca.is_none();
  if (a.contrasting && a.c != 1 && a.c != 3) fail_value(kOp, "x", "of 1 or 3 channels for contrast", x.got());
  if ((a.saturate || a.has_pca) && a.c != 3)
    fail_value(kOp, "x", a.saturate ? "of 3 channels for saturation" : "of 3 channels for pca", x.got());
  if (a.has_pca) {
    if (!py::isinstance<py::sequence>(pca) || py::len(pca) != 3) fail_type(kOp, "pca", "3 x 3 numbers", describe(pca));
    const auto rows = py::reinterpret_borrow<py::sequence>(pca);
    for (size_t i = 0; i < 3; ++i) {
      const std::vector<double> row = numbers("pca", py::object(rows[i]), 3, 0);
      for (size_t j = 0; j < 3; ++j) a.pca[i][j] = row[j];
    }
  }
  a.noise = number_at_least(kOp, "noise", noise, 0);
  a.max_value = number(kOp, "max_value", max_value);
  if (a.max_value <= 0) fail_value(kOp, "max_value", "positive", describe(max_value));
  const std::vector<double> means = numbers("mean", mean, a.c, 0), stds = numbers("std", std_, a.c, 1);
  for (double s : stds)
    if (s <= 0) fail_value(kOp, "std", "positive", describe(std_));
  a.mean = means.data(), a.std = stds.data();

  a.cutout = integer(kOp, "cutout", cutout, 0);
  a.erase = threshold("erase", erase);
  a.erase_scale = positive_range("erase_scale", erase_scale, 1);
  a.erase_log_ratio = logarithms(positive_range("erase_ratio", erase_ratio, INFINITY));
  a.erase_value = number(kOp, "erase_value", erase_value);
  const int64_t width = threads.is_none() ? 0 : integer(kOp, "threads", threads, 1);
  a.width = static_cast<int>(width < kMaxThreads ? width : kMaxThreads);
  return parse_dtype(dtype) == Dtype::f32 ? run(a) : run(as<double>(a));
}

}  // namespace

void bind_augment(py::module_& m) { define(m, "augment", &augment_images); }

}  // namespace fastnn
