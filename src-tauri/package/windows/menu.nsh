; "Share with Sluice" in the context menu of files and folders, for this person alone; our own installer's and Tauri's.
; Behind -- whatever the path is, it is a path.

!macro SluiceMenuOf KIND EXE TITLE
  WriteRegStr HKCU "Software\Classes\${KIND}\shell\Sluice" "" "${TITLE}"
  WriteRegStr HKCU "Software\Classes\${KIND}\shell\Sluice" "Icon" '"${EXE}",0'
  WriteRegStr HKCU "Software\Classes\${KIND}\shell\Sluice\command" "" '"${EXE}" -- "%1"'
!macroend

!macro SluiceMenuInstall EXE TITLE
  !insertmacro SluiceMenuOf "*" "${EXE}" "${TITLE}"
  !insertmacro SluiceMenuOf "Directory" "${EXE}" "${TITLE}"
!macroend

!macro SluiceMenuRemove
  DeleteRegKey HKCU "Software\Classes\*\shell\Sluice"
  DeleteRegKey HKCU "Software\Classes\Directory\shell\Sluice"
!macroend
