// Which language a source is in, by `-x` or by its name. Whatever is not C, C++ or assembler to preprocess stays local.

import type { CommandReason } from '../model/failure.ts';
import type { CompilerFamily, DriverLanguage } from './compiler-family.ts';
import type { SourceLanguage } from './parsed-compile.ts';

export type LanguageVerdict =
  | { readonly kind: 'language'; readonly language: SourceLanguage }
  | { readonly kind: 'local'; readonly reason: CommandReason };

const cxxSuffixes = new Set(['cc', 'cp', 'cxx', 'cpp', 'CPP', 'c++', 'C']);
const clangCxxSuffixes = new Set([...cxxSuffixes, 'CC', 'CXX', 'C++']);
const headerSuffixes = new Set(['h', 'H', 'hh', 'hp', 'hxx', 'hpp', 'HPP', 'h++', 'tcc', 'inl', 'pch', 'gch']);
const objectiveSuffixes = new Set(['m', 'mm', 'M', 'mi', 'mii']);
const moduleSuffixes = new Set(['cppm', 'ccm', 'cxxm', 'c++m', 'ixx', 'pcm']);

/** @param option the value of the `-x` in force where the source stands, if any */
export function languageOf(
  source: string,
  option: string | undefined,
  family: CompilerFamily['kind'],
  driver: DriverLanguage,
): LanguageVerdict {
  if (option !== undefined && option !== 'none') return languageByOption(option);
  const name = source.slice(source.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  const suffix = dot < 0 ? '' : name.slice(dot + 1);
  if (suffix === 'c') return { kind: 'language', language: driver };
  const cxx = family === 'gcc' ? cxxSuffixes : clangCxxSuffixes;
  if (cxx.has(suffix)) return { kind: 'language', language: 'c++' };
  if (suffix === 'S' || (suffix === 'sx' && family === 'gcc')) {
    return { kind: 'language', language: 'assembler-with-cpp' };
  }
  if (suffix === 's') return { kind: 'local', reason: 'assembly-input' };
  if (objectiveSuffixes.has(suffix)) return { kind: 'local', reason: 'objective-c' };
  if (moduleSuffixes.has(suffix)) return { kind: 'local', reason: 'modules' };
  if (headerSuffixes.has(suffix)) return { kind: 'local', reason: 'precompiled-header' };
  return { kind: 'local', reason: 'unknown-language' };
}

function languageByOption(option: string): LanguageVerdict {
  if (option === 'c' || option === 'c++' || option === 'assembler-with-cpp') {
    return { kind: 'language', language: option };
  }
  if (option === 'assembler') return { kind: 'local', reason: 'assembly-input' };
  if (/^(c|c\+\+)(-system|-user)?-header(-unit)?$/.test(option) || option.endsWith('-header-cpp-output')) {
    return { kind: 'local', reason: 'precompiled-header' };
  }
  if (option.startsWith('objective-c')) return { kind: 'local', reason: 'objective-c' };
  if (option === 'c++-module') return { kind: 'local', reason: 'modules' };
  return { kind: 'local', reason: 'language-option' };
}
