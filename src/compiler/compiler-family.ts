// What the compiler said it is when it was asked once. How it is asked is the business of the toolchain part.

/** The language that a driver's name gives to files whose extension does not decide (g++ compiles .c as C++). */
export type DriverLanguage = 'c' | 'c++';

export interface CompilerFamily {
  readonly kind: 'gcc' | 'clang';
  /** as printed, e.g. `12.2.0` */
  readonly version: string;
  /** first number of the version, e.g. 12 */
  readonly major: number;
  /** target triple as printed by `-dumpmachine`, e.g. `x86_64-linux-gnu` */
  readonly target: string;
}
