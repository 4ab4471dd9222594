#include "ops/optimizer_steps.h"

#include <algorithm>
#include <cmath>

#include "python/support/arguments.h"
#include "python/support/array_lists.h"

namespace fastnn {
namespace {

// What is made of the gradient before an update sees it.
struct GradientTerms {
  double scale, weight_decay, l1;
  GradientTerms(const char* op, py::handle scale_, py::handle weight_decay_, py::handle l1_)
      : scale(number(op, "grad_scale", scale_)),
        weight_decay(number_at_least(op, "weight_decay", weight_decay_, 0)),
        l1(number_at_least(op, "l1", l1_, 0)) {}
};

// The C order, or the channels-last one if the array lies so.
Order order_of(const View& v) {
  const Order plain = c_order(v.rank());
  return !v.is_dense_in(plain) && v.is_channels_last() ? channels_last_order(v.rank()) : plain;
}

// The roles of an update, checked against the parameters: same count, dtype and shapes, dense in the same
// order, written ones writable and apart from all others.
class Roles {
 public:
  Roles(const char* op, py::handle params) : op_(op) {
    views_.push_back(array_list(op, "params", params));
    for (const View& p : views_[0]) {
      p.need_float();
      p.need_like(views_[0][0]);
      p.need_writable();
    }
  }

  void add(const char* name, py::handle value, bool written) {
    if (value.is_none()) fail_value(op_, name, "given for these options", "None");
    std::vector<View> views = array_list(op_, name, value);
    const std::vector<View>& params = views_[0];
    if (views.size() != params.size())
      fail_value(op_, name, "as many arrays as params (" + std::to_string(params.size()) + ")",
                 std::to_string(views.size()));
    for (size_t i = 0; i < views.size(); ++i) {
      views[i].need_like(params[i]);
      views[i].need_shape(params[i].shape);
      if (written) views[i].need_writable();
    }
    written_.push_back(written);
    views_.push_back(std::move(views));
  }
  void skip() {
    views_.emplace_back();
    written_.push_back(false);
  }

  // Runs kernel(lists) with the dtype of the parameters.
  template <class Run>
  void run(const GradientTerms& terms, const Run& kernel) {
    check_overlaps();
    if (views_[0].empty()) return;
    with_dtype(views_[0][0], [&]<class T>() {
      StepLists<T> lists{};
      std::vector<T*> pointers[kMaxRoles];
      std::vector<std::unique_ptr<Dense<T>>> copies;
      for (size_t r = 0; r < views_.size(); ++r) {
        for (size_t i = 0; i < views_[r].size(); ++i) {
          // Written arrays must be dense; a gradient of another layout is brought into the parameter's.
          const View& view = views_[r][i];
          const Order order = order_of(views_[0][i]);
          const bool dense = view.is_dense_in(order), aligned = !on_device() || view.is_aligned();
          if (r == 1 && !(dense && aligned)) {
            copies.push_back(std::make_unique<Dense<T>>(view, order));
            pointers[r].push_back(const_cast<T*>(copies.back()->data()));
          } else {
            if (!dense) fail_value(op_, view.name(), "contiguous, in the memory order of params", "strided memory");
            if (!aligned) fail_value(op_, view.name(), "aligned to its elements on a device", "unaligned memory");
            pointers[r].push_back(reinterpret_cast<T*>(view.data));
          }
        }
        lists.roles[r] = views_[r].empty() ? nullptr : pointers[r].data();
      }
      const ListChunks chunks(views_[0]);
      lists.chunks = chunks.data();
      lists.chunk_count = chunks.count();
      lists.elements = chunks.elements;
      lists.width = num_threads();
      lists.grad_scale = static_cast<T>(terms.scale);
      lists.weight_decay = static_cast<T>(terms.weight_decay);
      lists.l1 = static_cast<T>(terms.l1);
      without_gil(lists.elements * 4 * static_cast<int64_t>(sizeof(T)), [&] { kernel(lists); });
    });
  }

 private:
  // Written arrays apart from all others: sorted by address, neighbours are compared.
  void check_overlaps() const {
    struct Item {
      const View* view;
      bool written;
    };
    std::vector<Item> items;
    for (size_t r = 0; r < views_.size(); ++r)
      for (const View& v : views_[r])
        if (v.size() > 0) items.push_back({&v, r == 0 || written_[r - 1]});
    std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.view->data < b.view->data; });
    for (size_t i = 1; i < items.size(); ++i)
      if (items[i].written || items[i - 1].written)
        need_disjoint(*(items[i].written ? items[i] : items[i - 1]).view,
                      *(items[i].written ? items[i - 1] : items[i]).view);
  }

  const char* op_;
  std::vector<std::vector<View>> views_;
  std::vector<bool> written_;
};

void call_sgd_step(py::handle params, py::handle grads, py::handle buffers, py::handle lr_, py::handle momentum_,
                   py::handle dampening_, py::handle nesterov_, py::handle weight_decay_, py::handle l1_,
                   py::handle grad_scale_) {
  constexpr const char* op = "sgd_step_";
  const double lr = number_at_least(op, "lr", lr_, 0), momentum = number_at_least(op, "momentum", momentum_, 0);
  const double dampening = number(op, "dampening", dampening_);
  const GradientTerms terms(op, grad_scale_, weight_decay_, l1_);
  const bool nesterov = boolean(op, "nesterov", nesterov_);
  if (nesterov && (momentum <= 0 || dampening != 0))
    fail_value(op, "nesterov", "used with momentum > 0 and dampening 0",
               "momentum " + describe(momentum_) + ", dampening " + describe(dampening_));
  Roles roles(op, params);
  roles.add("grads", grads, false);
  if (momentum > 0) roles.add("momentum_buffers", buffers, true);
  roles.run(terms, [&]<class T>(const StepLists<T>& lists) {
    const SgdArgs<T> args{lists, static_cast<T>(lr), static_cast<T>(momentum), static_cast<T>(1 - dampening), nesterov};
    sgd_step(args);
  });
}

void call_adagrad_step(py::handle params, py::handle grads, py::handle sums, py::handle lr_, py::handle eps_,
                       py::handle weight_decay_, py::handle l1_, py::handle grad_scale_) {
  constexpr const char* op = "adagrad_step_";
  const double lr = number_at_least(op, "lr", lr_, 0), eps = number_at_least(op, "eps", eps_, 0);
  const GradientTerms terms(op, grad_scale_, weight_decay_, l1_);
  Roles roles(op, params);
  roles.add("grads", grads, false);
  roles.add("state_sums", sums, true);
  roles.run(terms, [&]<class T>(const StepLists<T>& lists) {
    const AdagradArgs<T> args{lists, static_cast<T>(lr), static_cast<T>(eps)};
    adagrad_step(args);
  });
}

void call_rmsprop_step(py::handle params, py::handle grads, py::handle square_avgs, py::handle lr_, py::handle alpha_,
                       py::handle eps_, py::handle weight_decay_, py::handle momentum_, py::handle buffers,
                       py::handle centered_, py::handle grad_avgs, py::handle l1_, py::handle grad_scale_) {
  constexpr const char* op = "rmsprop_step_";
  const double lr = number_at_least(op, "lr", lr_, 0), alpha = number_in(op, "alpha", alpha_, 0, 1);
  const double eps = number_at_least(op, "eps", eps_, 0);
  const double momentum = number_at_least(op, "momentum", momentum_, 0);
  const bool centered = boolean(op, "centered", centered_);
  const GradientTerms terms(op, grad_scale_, weight_decay_, l1_);
  Roles roles(op, params);
  roles.add("grads", grads, false);
  roles.add("square_avgs", square_avgs, true);
  if (momentum > 0)
    roles.add("momentum_buffers", buffers, true);
  else
    roles.skip();
  if (centered) roles.add("grad_avgs", grad_avgs, true);
  roles.run(terms, [&]<class T>(const StepLists<T>& lists) {
    const RmspropArgs<T> args{lists,
                              static_cast<T>(lr),
                              static_cast<T>(alpha),
                              static_cast<T>(1 - alpha),
                              static_cast<T>(eps),
                              static_cast<T>(momentum),
                              centered};
    rmsprop_step(args);
  });
}

void call_adam_step(py::handle params, py::handle grads, py::handle exp_avgs, py::handle exp_avg_sqs, py::handle step_,
                    py::handle lr_, py::handle betas_, py::handle eps_, py::handle weight_decay_, py::handle decoupled_,
                    py::handle amsgrad_, py::handle max_exp_avg_sqs, py::handle l1_, py::handle grad_scale_) {
  constexpr const char* op = "adam_step_";
  const uint64_t step = word64(op, "step", step_);
  if (step < 1) fail_value(op, "step", "at least 1", describe(step_));
  const double lr = number_at_least(op, "lr", lr_, 0), eps = number_at_least(op, "eps", eps_, 0);
  if (!py::isinstance<py::sequence>(betas_) || py::isinstance<py::str>(betas_) || py::len(betas_) != 2)
    fail_type(op, "betas", "a pair of numbers", describe(betas_));
  double beta[2];
  for (int i = 0; i < 2; ++i) {
    beta[i] = number(op, "betas", py::object(py::reinterpret_borrow<py::sequence>(betas_)[i]));
    if (beta[i] < 0 || beta[i] >= 1) fail_value(op, "betas", "in [0, 1)", describe(betas_));
  }
  const bool decoupled = boolean(op, "decoupled", decoupled_), amsgrad = boolean(op, "amsgrad", amsgrad_);
  GradientTerms terms(op, grad_scale_, weight_decay_, l1_);
  const double shrink = decoupled ? 1 - lr * terms.weight_decay : 1;
  if (decoupled) terms.weight_decay = 0;
  Roles roles(op, params);
  roles.add("grads", grads, false);
  roles.add("exp_avgs", exp_avgs, true);
  roles.add("exp_avg_sqs", exp_avg_sqs, true);
  if (amsgrad) roles.add("max_exp_avg_sqs", max_exp_avg_sqs, true);
  const double n = static_cast<double>(step);
  // 1 - beta^step by expm1: exact where beta is close to 1 and the step small.
  const double correction1 = beta[0] > 0 ? -std::expm1(n * std::log(beta[0])) : 1.0;
  const double correction2 = beta[1] > 0 ? -std::expm1(n * std::log(beta[1])) : 1.0;
  roles.run(terms, [&]<class T>(const StepLists<T>& lists) {
    AdamArgs<T> args{};
    args.lists = lists;
    args.beta1 = static_cast<T>(beta[0]), args.rest1 = static_cast<T>(1 - beta[0]);
    args.beta2 = static_cast<T>(beta[1]), args.rest2 = static_cast<T>(1 - beta[1]);
    args.eps = static_cast<T>(eps);
    args.step_size = static_cast<T>(lr / correction1);
    args.root_correction = static_cast<T>(1 / std::sqrt(correction2));
    args.shrink = static_cast<T>(shrink);
    adam_step(args);
  });
}

}  // namespace

void bind_optimizer_steps(py::module_& m) {
  define(m, "sgd_step_", &call_sgd_step);
  define(m, "adagrad_step_", &call_adagrad_step);
  define(m, "rmsprop_step_", &call_rmsprop_step);
  define(m, "adam_step_", &call_adam_step);
}

}  // namespace fastnn
