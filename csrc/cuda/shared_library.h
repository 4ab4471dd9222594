// A library that is opened at run time, when there is first work for it.
#pragma once

#include <dlfcn.h>

#include <string>
#include <vector>

namespace fastnn::cuda {

template <class F>
bool find_function(void* library, const char* name, F*& function) {
  function = reinterpret_cast<F*>(dlsym(library, name));
  return function != nullptr;
}

// The first of the paths that opens and that accept(library, path) takes. One that the process has loaded already,
// PyTorch's say, comes before a second copy of some hundred megabytes.
template <class Accept>
bool open_first(const std::vector<std::string>& paths, const Accept& accept) {
  for (const int only_loaded : {RTLD_NOLOAD, 0})
    for (const std::string& path : paths) {
      void* opened = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | only_loaded);
      if (opened && accept(opened, path)) return true;
    }
  return false;
}

}  // namespace fastnn::cuda
