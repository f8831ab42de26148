# How everything is compiled. `linn_options` is linked by each target; kernels have one more rule.
add_library(linn_options INTERFACE)

# No contraction of a*b+c into an FMA behind our back: tail and interior of a kernel would round differently.
target_compile_options(linn_options INTERFACE -ffp-contract=off -Wall -Wextra -Wconversion)
# GCC 12 sees overlaps in std::string that are not there (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(linn_options INTERFACE -Wno-restrict)
endif()
if(LINN_DEVELOPER)
  target_compile_options(linn_options INTERFACE -Werror)
endif()
# Hardened, as distributions build what reads files of strangers: checked copies, guarded stacks (kernels have none: nothing of a file reaches their
# arrays), tables of the linker that are read-only once the program runs.
if(NOT LINN_SANITIZE)
  target_compile_options(linn_options INTERFACE $<$<CONFIG:Release>:-fstack-protector-strong> $<$<CONFIG:Release>:-U_FORTIFY_SOURCE> $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=2>)
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    target_link_options(linn_options INTERFACE -Wl,-z,relro,-z,now)
  endif()
endif()
if(LINN_SANITIZE)
  target_compile_options(linn_options INTERFACE -fsanitize=${LINN_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -D_GLIBCXX_ASSERTIONS)
  target_link_options(linn_options INTERFACE -fsanitize=${LINN_SANITIZE})
  # GCC's instrumentation hides initialisations and sizes from its own warnings (GCC bug 105562); the plain builds keep them.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(linn_options INTERFACE -Wno-maybe-uninitialized -Wno-stringop-overflow)
  endif()
endif()

if(LINN_COVERAGE)
  target_compile_options(linn_options INTERFACE --coverage -fprofile-update=atomic)
  target_link_options(linn_options INTERFACE --coverage)
  target_compile_definitions(linn_options INTERFACE LINN_COVERAGE)
endif()

# Code that is compiled more often than it is waited for, the command's and the tests': with little optimisation, under a sanitizer with
# none, which halves the time of such a file (asan from nothing on two cores: 322 s instead of 401 s) and hides nothing from the sanitizer.
add_library(linn_cold INTERFACE)
if(LINN_SANITIZE)
  target_compile_options(linn_cold INTERFACE -O0)
else()
  target_compile_options(linn_cold INTERFACE $<$<CONFIG:Release>:-O1>)
endif()

# What of it computes a lot: the bounds and sums of the kernels' tests take most of their time at -O0.
add_library(linn_warm INTERFACE)
if(LINN_SANITIZE)
  target_compile_options(linn_warm INTERFACE -O1)
endif()

# Kernel sources: a baseline of x86-64-v2, so that Highway makes exactly SSE4, AVX2 and AVX-512 of them. They are optimised under a sanitizer
# too, because tests wait for them.
# CPU detection must run on any CPU, so link-time optimisation may not mix it with kernels.
function(linn_kernel_options)
  set(options "-march=x86-64-v2;-DHWY_DISABLE_PCLMUL_AES;-fno-stack-protector")
  set(targets "")
  if(LINN_SANITIZE AND EXISTS /proc/cpuinfo)
    # A build for this machine's tests: where they cannot run AVX-512, it takes a third of the kernels' time. Files of bfloat16 have nothing else.
    file(STRINGS /proc/cpuinfo linn_avx512 REGEX " avx512f " LIMIT_COUNT 1)
    if(NOT linn_avx512)
      set(targets ";-DHWY_DISABLED_TARGETS=HWY_AVX3")
    endif()
  endif()
  foreach(source IN LISTS ARGN)
    if(source MATCHES "/src/kernels/.*\\.cc$" AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
      set(own "${options}")
      if(LINN_SANITIZE AND source MATCHES "ref\\.cc$")  # half the time of the kernels' tests: a fifth less
        string(APPEND own ";-O2")
      elseif(LINN_SANITIZE)
        string(APPEND own ";-O1")
      endif()
      if(NOT source MATCHES "bf16")
        string(APPEND own "${targets}")
      endif()
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${own}" SKIP_PRECOMPILE_HEADERS ON)
    elseif(LINN_SANITIZE AND source MATCHES "/src/(core/random|optim/initializers)\\.cc$")
      # The first weights of resnet50 are 25 million draws.
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "-O1" SKIP_PRECOMPILE_HEADERS ON)
    elseif(source MATCHES "/src/core/cpu\\.cc$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "-fno-lto" SKIP_PRECOMPILE_HEADERS ON)
    endif()
  endforeach()
endfunction()

# Headers that nearly every file of a target wants, parsed once for all of them: a sixth less time for each file.
function(linn_precompiled_headers target)
  target_precompile_headers(${target} PRIVATE <algorithm> <cstdint> <functional> <map> <memory> <optional> <span> <string> <string_view> <vector>
                                              <fmt/format.h> <nlohmann/json.hpp> ${ARGN})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -fpch-preprocess)  # ccache asks for it
  endif()
endfunction()
