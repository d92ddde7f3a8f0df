#include "engine/cuda/cublas_library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <mutex>
#include <vector>

#include "engine/cuda/runtime.h"
#include "engine/error.h"

namespace espalier::cuda {
namespace {

constexpr const char* fix =
    "; install CUDA's libcublas, name its folder in ESPALIER_CUBLAS, or use --gemm own";
constexpr const char* versions[] = {"13", "12"};

std::string path_of(const std::string& folder, const std::string& name, const char* version) {
  return (folder.empty() ? "" : folder + "/") + name + ".so." + version;
}

// A function's address as a pointer of its type.
template <class F>
void resolve(void* library, const char* in, const char* name, F*& function) {
  function = reinterpret_cast<F*>(dlsym(library, name));
  if (function) return;
  throw Error(ErrorKind::device, std::string("cuBLAS: ") + in + " has no function " + name +
                                     "; versions 12 and 13 have it" + fix);
}

}  // namespace

void CublasLibrary::Close::operator()(void* library) const noexcept { dlclose(library); }

CublasLibrary::CublasLibrary(const std::string& folder) {
  constexpr int how = RTLD_NOW | RTLD_LOCAL;
  std::string problem;
  for (const char* version : versions) {
    light_.reset(dlopen(path_of(folder, "libcublasLt", version).c_str(), how));
    if (light_) full_.reset(dlopen(path_of(folder, "libcublas", version).c_str(), how));
    if (light_ && full_) break;
    const char* said = dlerror();
    if (problem.empty() && said) problem = said;
  }
  if (!light_ || !full_)
    throw Error(ErrorKind::device,
                "cuBLAS: no libcublas and libcublasLt of version 13 or 12 " +
                    (folder.empty() ? "where the loader looks" : "in " + folder) + " (" + problem +
                    ")" + fix);
#define ESPALIER_RESOLVE(name) resolve(full_.get(), "libcublas", #name, name)
  ESPALIER_CUBLAS_FUNCTIONS(ESPALIER_RESOLVE)
#undef ESPALIER_RESOLVE
#define ESPALIER_RESOLVE(name) resolve(light_.get(), "libcublasLt", #name, name)
  ESPALIER_CUBLAS_LT_FUNCTIONS(ESPALIER_RESOLVE)
#undef ESPALIER_RESOLVE
}

void CublasLibrary::check(const std::string& doing, cublas_abi::Status status) const {
  if (status == cublas_abi::success) return;
  throw Error(ErrorKind::device, doing + ": cuBLAS says " + cublasGetStatusString(status) + " (" +
                                     std::to_string(status) + ")");
}

std::string CublasLibrary::version() const {
  const size_t v = cublasLtGetVersion();  // 130002, 120805
  return "cuBLASLt " + std::to_string(v / 10000) + "." + std::to_string(v / 100 % 100) + "." +
         std::to_string(v % 100);
}

const CublasLibrary& cublas_library() {
  static std::mutex mutex;
  static const CublasLibrary* library = nullptr;  // never closed: its threads may outlive us
  const std::lock_guard lock(mutex);
  if (library) return *library;
  const char* named = std::getenv("ESPALIER_CUBLAS");
  const std::string folder = named ? named : "";
  if (folder.empty() && is_emulated())
    throw Error(ErrorKind::device,
                "cuBLAS: an emulated GPU has none; name the folder of a stand-in's libcublas.so.13 "
                "and libcublasLt.so.13 in ESPALIER_CUBLAS, or use --gemm own");
  library = new CublasLibrary(folder);
  return *library;
}

}  // namespace espalier::cuda
