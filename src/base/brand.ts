// Nominal types: a branded string is still a string at run time, but cannot be mixed up with another one.

declare const brand: unique symbol;

export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
