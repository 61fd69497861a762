// How a program's main() waits to be told to end.
//
//   BlockStopSignals();                // First thing in main, before any thread starts.
//   ... start the server ...
//   const int signal = WaitForStopSignal();
#ifndef FAIRLEAD_LIBS_RPC_STOP_SIGNAL_H_
#define FAIRLEAD_LIBS_RPC_STOP_SIGNAL_H_

namespace fairlead {

// SIGTERM and SIGINT are held for WaitForStopSignal in this thread and all it starts; SIGPIPE is ignored.
void BlockStopSignals();

// Blocks until SIGTERM or SIGINT; returns which.
int WaitForStopSignal();

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_RPC_STOP_SIGNAL_H_
