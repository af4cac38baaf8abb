/** The platform that this process runs on, in npm's words. */
import { libcOf, type Platform } from '../../lockfiles/platform.ts'

export function thisPlatform(): Platform {
  const { platform: os, arch: cpu } = process
  return { os, cpu, libc: libcOf(os, reportWithoutNetwork) }
}

// Without the report's network section: it resolves the names of all addresses, which can take minutes.
function reportWithoutNetwork(): unknown {
  // Not in the type definitions yet; a Node that does not know it ignores it.
  const report: NodeJS.ProcessReport & { excludeNetwork?: boolean } = process.report
  const { excludeNetwork = false } = report
  report.excludeNetwork = true
  try {
    return report.getReport()
  } finally {
    report.excludeNetwork = excludeNetwork
  }
}
