/** The platform that this process runs on, in npm's words. */
import { libcOf, type Platform } from '../lockfiles/platform.ts'

export function thisPlatform(): Platform {
  const { platform: os, arch: cpu } = process
  return { os, cpu, libc: libcOf(os, () => process.report.getReport()) }
}
