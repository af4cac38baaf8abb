/** How long something that failed is left alone: longer each time, up to a bound. Pure: whoever uses it counts, and keeps the time. */

export interface Growth {
  /** After the first failure. */
  readonly firstMs: number
  /** Never longer. */
  readonly maxMs: number
  /** By which it grows with each further failure; 2 unless given. */
  readonly factor?: number
}

/** @param failures in a row; after none there is nothing to wait for */
export function backOffMs(failures: number, { firstMs, maxMs, factor = 2 }: Growth): number {
  return failures <= 0 ? 0 : Math.min(maxMs, firstMs * factor ** (failures - 1))
}
