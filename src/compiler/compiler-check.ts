// Recognises the little compiles with which configure, CMake and kbuild ask what a compiler can do. They stay local:
// they are tiny, they look at this machine, and their files live for a moment.

import { baseName } from './outputs.ts';

const checkSource =
  /^(conftest\d*\.|testCC?ompiler\.|testCXXCompiler\.|CMakeC(XX)?Compiler(Id|ABI)\.|Check(FunctionExists|SymbolExists|VariableExists|TypeSize|IncludeFiles?|ForPthreads|Prototype\w*)\.|feature_tests\.)/;
const checkFolder =
  /(^|\/)(CMakeFiles\/(CMakeScratch|CMakeTmp|CompilerId[A-Z]+|ShowIncludes)|cmTC_[^/]*|meson-private)(\/|$)/;
const checkOutput = /(^|\/)(CMakeFiles\/cmTC_[^/]*|cmTC_[^/]*|\.tmp_\d+)(\/|$)/;

/** Whether source and output look like a probe of the compiler rather than a part of a program. */
export function isCompilerCheck(source: string, output: string): boolean {
  if (source === '/dev/null') return true;
  return checkSource.test(baseName(source)) || checkFolder.test(source) || checkOutput.test(output);
}
