# What `cmake --install` puts where: the library, its public headers, the command, and how CMake and pkg-config find them.
# data/ stays out: mnist.npz has its own licence.
include(CMakePackageConfigHelpers)

set(linn_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/linn)

install(TARGETS linn_library EXPORT linnTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET linn)
  install(TARGETS linn RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(DIRECTORY include/linn DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT linnTargets NAMESPACE linn:: DESTINATION ${linn_cmake_dir})

configure_package_config_file(cmake/linnConfig.cmake.in ${PROJECT_BINARY_DIR}/cmake/linnConfig.cmake INSTALL_DESTINATION ${linn_cmake_dir})
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cmake/linnConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cmake/linnConfig.cmake ${PROJECT_BINARY_DIR}/cmake/linnConfigVersion.cmake DESTINATION ${linn_cmake_dir})

# Relative to the .pc file, so that an installed tree may move.
file(RELATIVE_PATH linn_pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" linn_pc_prefix "${linn_pc_prefix}")
configure_file(cmake/linn.pc.in ${PROJECT_BINARY_DIR}/cmake/linn.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/cmake/linn.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
