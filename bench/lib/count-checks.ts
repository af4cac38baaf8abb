/** To be loaded before all else (`--import`), in the process and in each of its threads: see counted-checks.ts. */
import { countChecks } from './counted-checks.ts'

countChecks()
