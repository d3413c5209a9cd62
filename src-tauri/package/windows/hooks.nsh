; What Tauri's own installer does beside what it does anyway.

!include "${__FILEDIR__}\menu.nsh"

!macro NSIS_HOOK_POSTINSTALL
  !insertmacro SluiceMenuInstall "$INSTDIR\sluice-desktop.exe" "Share with Sluice"
!macroend

!macro NSIS_HOOK_POSTUNINSTALL
  !insertmacro SluiceMenuRemove
!macroend
