/** `catalog doctor` on the command line. */
import type { Command } from 'commander'
import { act, type ProgramDependencies } from '../shell/act.ts'
import { addSettings } from '../shell/program-options.ts'

export function addDoctorCommand(program: Command, deps: ProgramDependencies): void {
  const doctor = program
    .command('doctor')
    .description('check ports, UDP, mDNS, peers, upstream and clients, each with the next step')
  addSettings(doctor, () => true)
  act(doctor, deps, async (invocation) => {
    const { doctorCommand } = await import('./doctor-command.ts')
    return doctorCommand(invocation)
  })
}
