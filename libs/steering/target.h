// What the code between two of these is compiled for: processors with AVX-512, or with AVX2, by whatever flags the file itself is compiled.
// So what other headers say inline stays for every processor: of two copies of such a function the linker takes any. Private to
// libs/steering.
//
//   FAIRLEAD_BEGIN_AVX512
//   …                       // No lambdas: they wouldn't be.
//   FAIRLEAD_END_AVX512
#ifndef FAIRLEAD_LIBS_STEERING_TARGET_H_
#define FAIRLEAD_LIBS_STEERING_TARGET_H_

#if defined(__clang__)
#define FAIRLEAD_BEGIN_AVX512 \
  _Pragma("clang attribute push(__attribute__((target(\"avx512f,avx512vl,avx512bw,avx512dq,bmi,bmi2,popcnt\"))), apply_to = function)")
#define FAIRLEAD_BEGIN_AVX2 _Pragma("clang attribute push(__attribute__((target(\"avx2,fma,bmi,bmi2,popcnt\"))), apply_to = function)")
#define FAIRLEAD_END_AVX512 _Pragma("clang attribute pop")
#define FAIRLEAD_END_AVX2 _Pragma("clang attribute pop")
#else
#define FAIRLEAD_BEGIN_AVX512 _Pragma("GCC push_options") _Pragma("GCC target(\"avx512f,avx512vl,avx512bw,avx512dq,bmi,bmi2,popcnt\")")
#define FAIRLEAD_BEGIN_AVX2 _Pragma("GCC push_options") _Pragma("GCC target(\"avx2,fma,bmi,bmi2,popcnt\")")
#define FAIRLEAD_END_AVX512 _Pragma("GCC pop_options")
#define FAIRLEAD_END_AVX2 _Pragma("GCC pop_options")
#endif

#endif  // FAIRLEAD_LIBS_STEERING_TARGET_H_
